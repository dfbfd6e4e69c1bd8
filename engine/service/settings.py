"""settings.toml: `format` and the tables [queue] and [logs]. Every key has a default; invalid ones are reported and
ignored.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from engine.base.errors import nearest
from engine.base.records import TomlError, read_toml
from engine.base.trust import distrust
from engine.service.launchers import LAUNCHERS

FORMAT = 1
"""The format of settings.toml, and the default for a file without one."""

Choice = Literal["requeue", "hold"]


@dataclass(frozen=True)
class QueueSettings:
    """The queue's settings.

    on_crash: the next state of a job whose worker crashed · crash_limit: consecutive crashes (without a new
    checkpoint between) after which it is held · devices: the slots, one job each; repeat a name for two jobs on one
    device; empty: the machine's devices · stop_grace_s: seconds a worker has to checkpoint before it is
    killed · retry_delay_s: seconds before an interrupted job starts again · on_end: a shell command for each job
    that has ended, see `engine.service.notices`; empty: none · launcher: the way of starting workers, a name in
    `engine.service.launchers.LAUNCHERS`; read when the service starts.
    """

    on_crash: Choice = "requeue"
    crash_limit: int = 3
    devices: tuple[str, ...] = ()
    stop_grace_s: float = 600.0
    retry_delay_s: float = 2.0
    on_end: str = ""
    launcher: str = "local"


def read_settings(path: Path) -> tuple[QueueSettings, list[str]]:
    """Return the settings and the problems of the file. A missing file is not a problem; one that another user can
    have written is not used.
    """
    content, problems = _content(path)
    table = content.get("queue", {})
    if not isinstance(table, dict):
        return QueueSettings(), [f"{path}: queue is not a table"]
    settings = QueueSettings()
    known = {f.name for f in fields(QueueSettings)}
    for key, value in table.items():
        if key not in known:
            close = nearest(key, known)
            problems.append(f"{path}: queue.{key} is unknown" + (f"; did you mean {close}?" if close else ""))
            continue
        wrong, parsed = _check(key, value)
        if wrong:
            problems.append(f"{path}: queue.{key} = {value!r}: {wrong}")
        else:
            settings = replace(settings, **{key: parsed})
    return settings, [*problems, *_log_targets(path, content)[1]]


def read_log_targets(path: Path) -> tuple[str, ...]:
    """Return `to` of the [logs] table: where each training is logged to. Empty if the file cannot be used."""
    return _log_targets(path, _content(path)[0])[0]


def _log_targets(path: Path, content: dict[str, Any]) -> tuple[tuple[str, ...], list[str]]:
    table = content.get("logs", {})
    if not isinstance(table, dict):
        return (), [f"{path}: logs is not a table"]
    problems = [f"{path}: logs.{key} is unknown; the only key is to" for key in table if key != "to"]
    to = table.get("to", [])
    if not isinstance(to, list) or not all(isinstance(one, str) and "\0" not in one for one in to):
        return (), [*problems, f'{path}: logs.to = {to!r}: must be a list of "tensorboard:DIR", "wandb", …']
    return tuple(to), problems


def _content(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what is in the file, and why it cannot be used: then it is empty."""
    if why := distrust(path):
        return {}, [f"{path} is not used: {why}; until then the defaults apply"]
    try:
        content = read_toml(path, "the settings file")
    except FileNotFoundError:
        return {}, []
    except TomlError as error:
        return {}, [f"{error}; the defaults apply until it is fixed"]
    version = content.get("format", FORMAT)
    if type(version) is not int or version < 1:
        return {}, [f"{path}: format = {version!r}: must be {FORMAT}; the defaults apply"]
    if version > FORMAT:
        why = f"is of a newer ddpm-tui (format {version}, this one reads {FORMAT})"
        return {}, [f"{path} {why}; update ddpm-tui; until then the defaults apply"]
    return content, []


def _check(key: str, value: Any) -> tuple[str, Any]:
    """Return (problem or "", the value to use)."""
    if key == "on_crash":
        return ("" if value in ("requeue", "hold") else 'must be "requeue" or "hold"'), value
    if key == "crash_limit":
        return (
            "" if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else "at least 1"
        ), value
    if key == "on_end":
        good = isinstance(value, str) and "\0" not in value
        return ("" if good else "a shell command, as text"), value
    if key == "launcher":
        if isinstance(value, str) and value in LAUNCHERS:
            return "", value
        close = nearest(str(value), LAUNCHERS)
        return (f"did you mean {close!r}?" if close else f"one of {', '.join(LAUNCHERS)}"), value
    if key == "devices":
        good = isinstance(value, list) and all(isinstance(v, str) and is_slot(v) for v in value)
        return ("" if good else 'a list of "cpu", "cuda:0", …'), tuple(value) if good else ()
    good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return ("" if good else "seconds, 0 or more"), float(value) if good else 0.0


def is_slot(name: str) -> bool:
    """Return whether `name` can be a slot: "cpu" or "cuda:N"."""
    kind, colon, number = name.partition(":")
    return name == "cpu" or (kind == "cuda" and colon == ":" and number.isdecimal())
