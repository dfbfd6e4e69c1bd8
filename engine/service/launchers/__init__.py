"""The table of launchers: one line and one file each.

To add one, write a file beside this one with a class that takes a `Home` and has the methods of `base.Launcher`, and
add its line to `LAUNCHERS`. settings.toml and the docs read its name from here.
"""

from dataclasses import dataclass

from engine.base.home import Home
from engine.base.named import load, pick
from engine.service.launchers.base import Launcher


@dataclass(frozen=True)
class LauncherKind:
    """A line of the table: the class as "module:class", and a description for users."""

    launcher: str
    words: str


LAUNCHERS = {
    "local": LauncherKind(
        "engine.service.launchers.local:LocalLauncher", "workers are processes of this machine"
    ),
}


def launcher_named(name: str, home: Home) -> Launcher:
    """Return the launcher of a name. Raises UserError, with the nearest name, if the table lacks it."""
    made: Launcher = load(pick(LAUNCHERS, "launcher", name).launcher)(home)
    return made
