from pathlib import Path

import pytest

from engine.service.settings import QueueSettings, is_slot, read_log_targets, read_settings


def read(tmp_path: Path, text: str) -> tuple[QueueSettings, list[str]]:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return read_settings(path)


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "none") == (QueueSettings(), [])


def test_values(tmp_path: Path) -> None:
    text = '[queue]\non_crash = "hold"\ncrash_limit = 5\ndevices = ["cuda:1", "cpu"]\nstop_grace_s = 1\n'
    text += 'on_end = "true"\n[ui]\nx = 1\n'
    settings, problems = read(tmp_path, text)
    assert problems == []
    assert settings == QueueSettings("hold", 5, ("cuda:1", "cpu"), 1.0, on_end="true")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('on_crash = "explode"', "requeue"),
        ("crash_limit = 0", "at least 1"),
        ("crash_limit = true", "at least 1"),
        ('devices = ["gpu"]', "cuda:0"),
        ("retry_delay_s = -1", "seconds"),
        ('on_end = ["mail", "me"]', "shell command"),
        ("on_crahs = 1", "did you mean on_crash"),
    ],
)
def test_a_wrong_value_is_said_and_the_default_stays(tmp_path: Path, line: str, word: str) -> None:
    settings, problems = read(tmp_path, f"[queue]\n{line}\n")
    assert settings == QueueSettings()
    assert word in problems[0]


@pytest.mark.parametrize("text", ["[queue", "queue = 1"])
def test_a_broken_file_is_said(tmp_path: Path, text: str) -> None:
    settings, problems = read(tmp_path, text)
    assert settings == QueueSettings()
    assert problems


def test_slots() -> None:
    assert [is_slot(s) for s in ("cpu", "cuda:0", "cuda:12", "cuda", "cuda:", "cuda:x", "auto")] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip


def test_a_file_may_say_its_format(tmp_path: Path) -> None:
    assert read(tmp_path, "format = 1\n[queue]\ncrash_limit = 5\n") == (QueueSettings(crash_limit=5), [])


@pytest.mark.parametrize(
    ("value", "way_out"),
    [("2", "update ddpm-tui"), ('"1"', "must be 1"), ("true", "must be 1"), ("0", "must be 1")],
)
def test_a_file_of_a_format_that_is_not_known_is_not_obeyed(tmp_path: Path, value: str, way_out: str) -> None:
    settings, (problem,) = read(tmp_path, f"format = {value}\n[queue]\ncrash_limit = 5\n")
    assert settings == QueueSettings()
    assert way_out in problem
    assert "\n" not in problem


def test_where_trainings_are_logged_to(tmp_path: Path) -> None:
    settings, problems = read(
        tmp_path, '[queue]\ncrash_limit = 5\n[logs]\nto = ["tensorboard:tb", "wandb"]\n'
    )
    assert (settings.crash_limit, problems) == (5, [])
    assert read_log_targets(tmp_path / "settings.toml") == ("tensorboard:tb", "wandb")
    for text, said in (
        ("[logs]\nto = 3\n", "logs.to = 3"),
        ("[logs]\nat = 3\n", "logs.at is unknown"),
        ("logs = 3\n", "not a table"),
    ):
        settings, (problem,) = read(tmp_path, text)
        assert said in problem
        assert read_log_targets(tmp_path / "settings.toml") == ()
