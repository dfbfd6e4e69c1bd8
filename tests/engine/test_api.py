"""The façade for notebooks: its page runs as it stands, and it draws and trains what the commands do."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import api
from engine.base.errors import BusyError, UserError
from engine.base.files import FileLock
from engine.base.folders import SampleFolder
from engine.base.home import Home
from engine.config.store import build_profile, save_profile, to_toml
from engine.data.catalog import add_source
from engine.jobs.files import list_job_folders, new_job_folder, read_result, read_spec
from engine.runs.checkpoints import resolve
from engine.runs.export import export_checkpoint
from tests.tiny import TINY, bits, job, make_run, work

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, many_pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a data set and a profile of the name that the page uses."""
    home = Home(tmp_path / "home").create()
    add_source(home, str(many_pictures), "dots")
    save_profile(home, "celeba32", to_toml(build_profile(TINY, "tiny")))
    monkeypatch.setenv("DDPM_HOME", str(home.root))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.mark.slow
def test_the_page_runs_and_the_command_draws_the_same(home: Home, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    scripts = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    made: dict[str, Any] = {}
    for script in scripts[:-1]:
        exec(script, made)
    assert (tmp_path / "face.png").is_file()
    assert (tmp_path / "faces.png").is_file()
    assert (made["done"].run, made["done"].epoch) == ("celeba32-1", 4)
    assert set(made["scores"]) == {"eps_error", "sliced_wasserstein"}
    assert made["fast"].shape == (4, 16, 16, 3)
    assert not np.array_equal(made["fast"], made["other"])
    specs = [read_spec(folder) for folder in list_job_folders(home)]
    assert [(spec.kind, spec.run, spec.foreground) for spec in specs] == [
        ("train", "celeba32-1", True),
        ("train", "celeba32-1", True),
        ("evaluate", "celeba32-1", True),
    ]

    run, info = resolve(home, "celeba32-1@e2")
    assert info.step == made["model"].step
    sampling = new_job_folder(home, "sample", run.name, {"checkpoint": "celeba32-1@e2", "n": 16}, "cpu")
    assert work(sampling).returncode == 0
    result = read_result(sampling)
    assert result is not None
    drawn = np.load(SampleFolder(Path(result.extra["folder"])).pictures)
    assert np.array_equal(drawn, made["pictures"])
    assert np.array_equal(np.asarray(made["images"][3]), drawn[3])
    assert np.array_equal(api.load("celeba32-1@e2").sample(4, batch=3), drawn[:4])

    export_checkpoint(run, info, tmp_path / "exported")
    exec(scripts[-1], made)
    assert np.array_equal(made["pictures"], drawn[:4])

    alone = make_run(home, "alone")
    assert work(job(home, alone, 4)).returncode == 0
    assert bits(alone) == bits(home.run("celeba32-1")), "two calls give the bits of one job"


def test_what_cannot_be_is_refused_before_a_worker_starts(home: Home) -> None:
    with pytest.raises(UserError, match="celeba3"):
        api.train("celeba3")
    with pytest.raises(UserError, match="at least 1"):
        api.train("celeba32", to_epoch=0)
    with pytest.raises(UserError, match="nothing"):
        api.load("nothing")
    with pytest.raises(UserError, match="has no exported checkpoint"):
        api.load(Path("nothing"))
    run = make_run(home, "r")
    with FileLock.acquire(run.lock, "run 'r'"), pytest.raises(BusyError, match="is being trained"):
        api.train("r")
    assert list_job_folders(home) == []


@pytest.mark.slow
def test_an_interrupted_training_leaves_a_checkpoint_and_frees_the_run(home: Home) -> None:
    def interrupt(progress: api.Progress) -> None:
        if progress.step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.train("celeba32", to_epoch=100, on_progress=interrupt)
    (folder,) = list_job_folders(home)
    ended = read_result(folder)
    assert ended is not None
    assert ended.outcome == "stopped"
    assert 0 < resolve(home, "celeba32-1")[1].step < 1800
    with FileLock.acquire(home.run("celeba32-1").lock, "run"):  # nobody trains it any more
        pass


@pytest.mark.slow
def test_settings_that_cannot_be_are_refused(home: Home) -> None:
    model = api.load(api.train("celeba32", to_epoch=1).run)
    for changes in ({"n": 0}, {"batch": 0}, {"steps": 51}, {"sampler": "bogus"}, {"spacing": "bogus"}):
        with pytest.raises(UserError):
            model.sample(**{"n": 1, **changes})
    with pytest.raises(TypeError):
        model.sample(1, steps=2.5)  # type: ignore[arg-type]
