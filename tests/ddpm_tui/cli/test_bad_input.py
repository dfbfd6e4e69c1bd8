"""Everything a person can get wrong without training: one clear line on stderr, the right code, nothing left behind."""

import json
import re
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.base.files import FileLock
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.runs.checkpoints import resolve, set_tag
from engine.runs.export import export_checkpoint
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import spoil_manifest, trained_run

PROFILES = {
    "torn": "[data\nsize = 3",
    "wrong-key": "[optim]\nlearning = 1e-3\n",
    "wrong-type": '[training]\nbatch_size = "64"\n',
    "wrong-size": "[data]\nsize = 30\n",
    "no-steps": "[diffusion]\nsteps = 0\n",
    "fine": "[data]\nsize = 16\n",
}


@pytest.fixture
def messy(home: Home, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a run, some odd profiles, and a working folder full of odd data."""
    for name, text in PROFILES.items():
        (home.profiles / f"{name}.toml").write_text(text)
    (home.profiles / "binary.toml").write_bytes(b"\x89PNG\xff\xfe")
    add_source(home, pictures, "dots")
    trained_run(home, "celeba32-1", 2)
    trained_run(home, "fresh", 0)
    later = trained_run(home, "later", 1)
    later.record.write_text(json.dumps({**json.loads(later.record.read_text()), "format": 99}))
    torn = trained_run(home, "torn", 1)
    torn.checkpoint(7).ema.write_bytes(b"half")
    set_tag(home.run("celeba32-1"), "nice", 7)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "empty").mkdir()
    export_checkpoint(home.run("celeba32-1"), resolve(home, "celeba32-1")[1], here / "exported")
    (here / "one").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(here / "one" / "a.png")
    (here / "text.txt").write_text("hello")
    (here / "page.zip").write_text("<!DOCTYPE html><html><title>Quota exceeded</title></html>")
    (here / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(here / "words.zip", "w") as words:
        words.writestr("a.txt", "hello")
    return home


CASES: list[tuple[str, int, str]] = [
    # Unknown names, with the nearest one.
    ("train celeba23", 1, "neither a profile nor a run named 'celeba23' — did you mean 'celeba32"),
    ("train ./nowhere.toml", 1, "no profile file at nowhere.toml"),
    ("profiles show celeba46", 1, "no profile named 'celeba46' — did you mean 'celeba64'"),
    ("profiles estimate xyzzy", 1, "no profile named 'xyzzy' — see `profiles list`"),
    ("sample celeba32-2", 1, "no run named 'celeba32-2' — did you mean 'celeba32-1'"),
    ("sample celeba32-1@13", 1, "no checkpoint of 'celeba32-1' named '13' — did you mean"),
    ("sample celeba32-1@nicee", 1, "did you mean 'nice'"),
    ("sample celeba32-1@", 2, "does not name a checkpoint"),
    ("sample fresh", 1, "run 'fresh' has no checkpoint yet"),
    ("runs show celeba", 1, "no run named 'celeba'"),
    ("runs delete ../profiles", 1, "no run named '../profiles'"),
    ("runs restore celeba32-1", 1, "no deleted run named 'celeba32-1'"),
    ("runs compare celeba32-1", 2, "compare needs at least two runs"),
    ("checkpoints tag celeba32-1 latest", 2, "'latest' cannot be a tag"),
    ("checkpoints untag celeba32-1 nicee", 1, "no tag named 'nicee' — did you mean 'nice'"),
    ("checkpoints show celeba32-1@99", 1, "no checkpoint of 'celeba32-1' named '99'"),
    ("data show dotts", 1, "no data set named 'dotts' — did you mean 'dots'"),
    ("data remove faces", 1, "built in and cannot be removed"),
    ("trash purge xyzzy", 1, "no deleted thing named 'xyzzy' — there are no deleted things yet"),
    # Profiles.
    ("train torn.toml", 1, "no profile file at torn.toml"),
    ("profiles show torn", 1, "torn.toml: not valid TOML"),
    ("profiles show wrong-key", 1, "wrong-key.toml:2: optim.learning: unknown key (known: optimizer, lr"),
    ("profiles show wrong-type", 1, "wrong-type.toml:2: training.batch_size: '64': input should be a valid integer"),
    ("profiles show wrong-size", 1, "wrong-size.toml:2: data.size: 30 does not divide by 4, which 3 levels"),
    ("train no-steps", 1, "no-steps.toml:2: diffusion.steps: 0: input should be greater than or equal to 1"),
    ("profiles show binary", 1, "binary.toml: line 1 is not UTF-8 text"),
    ("train fine --set optim.lr", 2, "--set 'optim.lr' is not section.key=value"),
    ("train fine --set foo", 2, "--set 'foo' is not section.key=value — for example --set optim.lr=1e-4"),
    ("demo --set =3", 2, "--set '=3' is not section.key=value"),
    ("queue train fine --set lr=1", 2, "--set 'lr=1' is not section.key=value"),
    ("profiles new x --set optim.lr.y=1", 2, "--set 'optim.lr.y=1' is not section.key=value"),
    ("profiles show fine --set foo", 2, "--set 'foo' is not section.key=value"),
    ("runs branch celeba32-1@e1 --set foo", 2, "--set 'foo' is not section.key=value"),
    ("train fine --set optim.rl=3", 2, "no key in [optim] named 'rl' — did you mean 'lr'"),
    ("train fine --set diffusion.steps=0", 2, "error: --set diffusion.steps=0: diffusion.steps: 0: input should be"),
    ("train celeba32", 1, "no data set named 'celeba' yet — `ddpm-tui data add PATH` adds"),
    ("train folder", 1, "no data set named 'pictures' — there are: dots, faces; add it with"),
    ("profiles new fine", 1, "already a profile of yours named 'fine'"),
    ("profiles new a/b", 2, "'a/b' cannot name a profile"),
    ("profiles new x --set data.size=3", 2, "data.size: 3: input should be greater than or equal to 8"),
    # Data.
    ("data add empty", 1, "there is no picture in"),
    ("data add one", 1, "only one picture in"),
    ("data add page.zip", 1, "is a web page, not a zip (a download or quota page was saved in its place)"),
    ("data add torn.zip", 1, "is truncated or damaged: its central directory is incomplete — download or copy"),
    ("data add words.zip", 1, "there is no picture in"),
    ("data add text.txt", 1, "is not a zip file — add a folder of pictures, or a zip of them"),
    ("data add nowhere", 1, "does not exist — give a folder of pictures or a zip of them"),
    ("data add one --name faces", 1, "'faces' is the built-in data set"),
    ("data add one --size 7", 2, "invalid value for '--size'"),
    # Runs.
    ("train later", 1, "was written by a newer ddpm-tui (format 99, this one reads 1) — update"),
    ("runs show later", 1, "was written by a newer ddpm-tui"),
    ("sample later", 1, "was written by a newer ddpm-tui"),
    ("train celeba32-1 --set optim.lr=1", 1, "is frozen, so --set cannot change it — branch it"),
    ("train celeba32-1 --resume never", 2, "is a run, and --resume never starts a new one"),
    ("train fine --run celeba32-1", 1, "was created from another version of profile 'fine'"),
    ("train demo --run a/b", 2, "'a/b' cannot name a run"),
    ("runs rename celeba32-1 fresh", 1, "already a run named 'fresh'"),
    ("runs rename celeba32-1 ../x", 2, "cannot name a run"),
    ("runs branch celeba32-1@e1 --set model.width=64", 1, "model.width cannot change in a branch (8 → 64)"),
    ("runs branch celeba32-1@e1 --set diffusion.schedule=linear", 1, "diffusion.schedule cannot change"),
    ("runs branch torn", 1, "truncated"),
    # Checkpoints.
    ("sample torn", 1, "ema.safetensors is truncated"),
    ("sample torn@7", 1, "ema.safetensors is truncated"),
    ("checkpoints export celeba32-1 empty/../one", 1, "is not empty"),
    ("checkpoints export celeba32-1 text.txt", 2, "is a file"),
    ("checkpoints restore celeba32-1@7", 1, "no deleted checkpoint named 'celeba32-1@7'"),
    # Samples.
    ("sample ./nowhere", 1, "/nowhere has no exported checkpoint — `checkpoints export"),
    ("queue sample ./nowhere", 1, "/here/nowhere has no exported checkpoint — `checkpoints export"),
    ("queue evaluate one/", 1, "/here/one has no exported checkpoint — `checkpoints export"),
    ("evaluate ./nowhere", 1, "/nowhere has no exported checkpoint — `checkpoints export"),
    ("figure grid ./nowhere --out a.png", 1, "/nowhere has no exported checkpoint — `checkpoints export"),
    ("queue sample ./exported --steps 51", 1, "--steps 51 is more than the run's 50 diffusion steps"),
    ("evaluate exported/ --steps 51", 1, "--steps 51 is more than the run's 50 diffusion steps"),
    ("sample celeba32-1 -n 0", 2, "invalid value for '-n'"),
    ("sample celeba32-1 --steps 51", 1, "--steps 51 is more than the run's 50 diffusion steps"),
    ("sample celeba32-1 --sampler euler", 2, "invalid value for '--sampler'"),
    ("sample celeba32-1 --eta 0.5", 2, "--eta has no effect with the sampler dpmpp — use --sampler ddim"),
    ("sample celeba32-1 --eta 0 --sampler ddpm", 2, "--eta has no effect with the sampler ddpm"),
    ("queue sample celeba32-1 --sampler ddim --variance fixed_large", 2, "--variance has no effect with the sampler"),
    ("sample celeba32-1 --eta 1.5", 2, "invalid value for '--eta'"),
    ("queue sample celeba32-1 -n 0", 2, "invalid value for '-n'"),
    ("queue sample celeba32-1 --steps -3", 2, "invalid value for '--steps'"),
    ("queue sample celeba32-1 --steps 51", 1, "--steps 51 is more than the run's 50 diffusion steps"),
    ("queue evaluate celeba32-1@latest --steps 51", 1, "--steps 51 is more than the run's 50 diffusion steps"),
    ("evaluate celeba32-1 --steps 51", 1, "--steps 51 is more than the run's 50 diffusion steps"),
    ("queue sample celeba32-1 --eta 7", 2, "invalid value for '--eta'"),
    ("queue sample celeba32-1 --seed -1", 2, "invalid value for '--seed'"),
    ("queue sample celeba32-1 --trajectory-of -1", 2, "invalid value for '--trajectory-of'"),
    ("queue sample celeba32-1 --grid x.jpg", 2, "--grid x.jpg: the name ends in .png"),
    ("queue sample celeba32-1 --trajectory x.gif --trajectory-of 0", 2, "--trajectory needs pictures"),
    ("queue lisst", 2, "ddpm-tui queue has no command 'lisst' — did you mean 'list'?"),
    ("sample celeba32-1 --grid faces.jpg", 2, "--grid faces.jpg: the name ends in .png"),
    ("sample celeba32-1 --grid .png", 2, "the name ends in .png"),
    ("sample celeba32-1 --trajectory one.mp4", 2, "the name ends in .png or .gif"),
    ("sample celeba32-1 --trajectory x.gif --trajectory-of 0", 2, "--trajectory needs pictures"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "words"), CASES, ids=[case[0] for case in CASES])
def test_one_clear_line(messy: Home, cli: Cli, arguments: str, code: int, words: str) -> None:
    runs, profiles = sorted(messy.runs.iterdir()), sorted(messy.profiles.iterdir())
    ended = cli(*arguments.split())
    assert words in ended.error
    assert ended.code == code
    assert sorted(messy.runs.iterdir()) == runs, "no run is made, none is left half made"
    assert sorted(messy.profiles.iterdir()) == profiles
    assert list(messy.jobs.iterdir()) == [], "nothing is started"


def test_a_second_process_on_the_same_run(messy: Home, cli: Cli) -> None:
    with FileLock.acquire(messy.run("fresh").lock, "run") as lock:
        lock.describe("job 000007")
        for arguments in ("train fresh", "runs delete fresh", "runs rename fresh stale"):
            ended = cli(*arguments.split())
            assert ended.code == 1
            assert "000007" in ended.error


def test_a_home_that_cannot_be_written(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DDPM_HOME", str(tmp_path / "file" / "home"))
    ended = cli("profiles", "new", "x")
    assert ended.code == 1
    assert "set DDPM_HOME to a folder you own" in ended.error


def test_a_manifest_of_a_newer_version(messy: Home, cli: Cli) -> None:
    spoil_manifest(messy.run("celeba32-1").checkpoint(14), format=99)
    assert "newer ddpm-tui" in cli("sample", "celeba32-1@14").error


def test_losing_something_is_asked_about(messy: Home, cli: Cli) -> None:
    cli("runs", "delete", "fresh")
    ended = cli("trash", "purge")
    assert ended.code == 2
    assert "use --yes" in ended.error
    assert cli("trash", "purge", "--yes").code == 0


@pytest.mark.parametrize("name", ["two  words", "it's", "two\nlines", "esc\x1b[31m", "$(id)"])
def test_a_suggested_command_can_be_pasted(home: Home, cli: Cli, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for i in range(4):
        Image.new("RGB", (16, 16), (i, 0, 0)).save(folder / f"{i}.png")
    add_source(home, folder, "odd")
    (folder / "0.png").unlink()
    said = cli("data", "show", "odd").out
    (command,) = re.findall("`(ddpm-tui data add .*)` adds it again", said)
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True
    ).stdout
    assert words.decode().split("\0")[:-1] == ["ddpm-tui", "data", "add", str(folder), "--name", "odd"]
    assert name.isprintable() or name not in said
