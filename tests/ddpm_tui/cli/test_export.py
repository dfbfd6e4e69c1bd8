"""`checkpoints export` as a person types it: what it says, what it refuses, and the upload that is only tried."""

import json
import sys
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.jobs.files import EXIT_DONE, Result
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import trained_run


@pytest.fixture
def there(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    trained_run(home, "r", 1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("full").mkdir()
    Path("full/a").write_text("")
    Path("empty").mkdir()
    Path("words.tgz").write_text("hello")
    return home


REFUSED = [
    ("export r out --format onx", 2, "no format named 'onx' — did you mean 'onnx'?"),
    ("export r full --format onnx,folder", 1, "full is not empty — name a new folder"),
    ("export r out --runtime empty", 2, "--runtime is for --format web"),
    ("export r out --format web --runtime nowhere", 1, "--runtime /"),
    ("export r out --format web --runtime empty", 1, "empty has no onnxruntime-web"),
    ("export r out --dry-run", 2, "--dry-run is for --push"),
    ("export r out --push a/b/c", 2, "--push a/b/c: that is no repository's name"),
    ("export r@99 out --format onnx", 1, "no checkpoint"),
]


@pytest.mark.parametrize(("command", "code", "said"), REFUSED)
def test_what_cannot_be_is_said_in_one_line(
    there: Home, cli: Cli, command: str, code: int, said: str
) -> None:
    ended = cli("checkpoints", *command.split())
    assert ended.code == code
    assert said in ended.error
    assert sorted(p.name for p in Path().iterdir()) == ["empty", "full", "words.tgz"]


@pytest.mark.parametrize(
    ("package", "form", "extra"),
    [("diffusers", "diffusers", "diffusers"), ("onnxscript", "onnx", "onnx"), ("huggingface_hub", "", "hub")],
)
def test_a_package_that_is_missing_is_named(
    there: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch, package: str, form: str, extra: str
) -> None:
    from engine.export import formats, push

    for module in (formats, push):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else sys)
    options = ["--format", form] if form else ["--push", "me/faces"]
    said = cli("checkpoints", "export", "r", "out", *options).error
    assert f"needs {package}, which is not installed — pip install 'ddpm-tui[{extra}]'" in said


def test_a_push_that_is_only_tried(there: Home, cli: Cli) -> None:
    ended = cli("checkpoints", "export", "r", "out", "--push", "me/faces", "--dry-run")
    assert ended.code == 0
    assert "model.safetensors" in ended.out
    assert "5 files" in ended.out
    assert "would go to me/faces, private" in ended.out


def test_a_push_without_a_network_leaves_the_export(
    there: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "none")
    ended = cli("checkpoints", "export", "r", "out", "--push", "me/faces")
    assert ended.code == 1
    (line,) = ended.err.splitlines()
    assert line.startswith("error: me/faces was not pushed to: ")
    assert "the export is whole in" in line
    assert json.loads(Path("out/export.json").read_text())["run"] == "r"


def test_what_a_worker_made_is_said(there: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def run_job(home: Home, kind: str, run: str, args: dict[str, object], **_: object) -> Result:
        asked.update(args, kind=kind)
        checks = {"pictures": 64, "largest": 1, "mean": 0.002, "folder": "out/web"}
        extra = {"folder": "out", "bytes": 2_000_000, "formats": {"web": checks}}
        return Result("done", EXIT_DONE, extra=extra)

    monkeypatch.setattr("ddpm_tui.cli.foreground.run_job", run_job)
    said = cli("checkpoints", "export", "r", "out", "--format", "web", "--format", "onnx,web", "--half").out
    assert (asked["kind"], asked["formats"], asked["half"]) == ("export", ["web", "onnx"], True)
    assert "web: largest error 1 of 255, mean 0.002, 64 seeds" in said
    assert "the page lacks ONNX Runtime: cd out/web && npm pack onnxruntime-web" in said
