"""Every key of the app, defined once: id, default keys, its effect in a word and in a sentence.

Screens take their bindings from here; footer, help and palette read the live bindings, so all agree with
$DDPM_HOME/keymap.toml, which gives other keys to ids. Knows no screens and needs no Textual to be read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_tui.tui.key_names import key_name
from ddpm_tui.tui.key_names import shown as shown
from engine.base.errors import nearest
from engine.base.records import TomlError, read_toml
from engine.base.trust import distrust

if TYPE_CHECKING:
    from textual.binding import BindingType


@dataclass(frozen=True)
class Key:
    """One thing a key does. id: "queue.add" · keys: "a" or "down,j" · action: Textual's ·
    label: one or two words for the footer · help: a sentence · footer: whether the footer has room for it."""

    id: str
    keys: str
    action: str
    label: str
    help: str
    footer: bool = True

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]


SCREENS = ("dashboard", "queue", "checkpoints", "gallery", "profiles", "compare", "data")


def _go(number: int, name: str, help: str) -> Key:
    return Key(f"app.{name}", str(number), f"app.go('{name}')", name.capitalize(), help, footer=False)


KEYS: tuple[Key, ...] = (
    _go(1, "dashboard", "the running job, its curves and newest faces"),
    _go(2, "queue", "jobs in order: add, move, pause, cancel"),
    _go(3, "checkpoints", "runs, their branches and checkpoints"),
    _go(4, "gallery", "samples, enlarged, with their denoising"),
    _go(5, "profiles", "settings of runs: list, edit, diff"),
    _go(6, "compare", "several runs: curves, profiles, faces side by side"),
    _go(7, "data", "your pictures: add, look at, train on"),
    Key("app.help", "question_mark,f1", "app.help", "help", "every key of this screen"),
    Key(
        "app.palette", "ctrl+p", "app.command_palette", "palette", "find an action here by name", footer=False
    ),
    Key("app.undo", "u", "app.undo", "undo", "undo the last change", footer=False),
    Key("app.redo", "U", "app.redo", "redo", "redo the change that was undone", footer=False),
    Key("app.theme", "ctrl+t", "app.next_theme", "theme", "dark, light, colour-blind-safe", footer=False),
    Key("app.redraw", "ctrl+l", "app.redraw", "redraw", "draw everything again", footer=False),
    Key(
        "app.restart_engine",
        "ctrl+r",
        "app.restart_engine",
        "restart engine",
        "start a stopped engine, or replace an older one; its jobs continue",
        footer=False,
    ),
    Key("app.quit", "q,ctrl+q", "app.quit", "quit", "quit; the engine keeps working"),
    Key(
        "app.commands",
        "at",
        "app.commands",
        "commands",
        "the session as commands; full errors; what u and U do",
        False,
    ),
    Key(
        "app.go_to",
        "ctrl+g",
        "app.go_to",
        "go to",
        "any screen, run, profile or data set by its name",
        footer=False,
    ),
    # Panes, on every screen.
    Key(
        "pane.zoom",
        "z",
        "zoom_pane",
        "full screen",
        "one pane over the whole screen, or all of them again",
        False,
    ),
    Key(
        "pane.hide_list", "left_square_bracket", "hide_list", "list", "hide the list, or show it again", False
    ),
    # Lists, on every screen that has one.
    Key("list.up", "up,k", "cursor(-1)", "up", "one up", footer=False),
    Key("list.down", "down,j", "cursor(1)", "down", "one down", footer=False),
    Key("list.page_up", "pageup,ctrl+b", "page(-1)", "page up", "a page up", footer=False),
    Key("list.page_down", "pagedown,ctrl+f", "page(1)", "page down", "a page down", footer=False),
    Key("list.first", "home,g", "edge(-1)", "first", "to the first", footer=False),
    Key("list.last", "end,G", "edge(1)", "last", "to the last", footer=False),
    Key("list.filter", "slash", "filter", "filter", "show only lines with these words", footer=False),
    Key("list.unfilter", "escape", "unfilter", "all lines", "show all lines again", footer=False),
    Key("list.next_pane", "tab", "app.focus_next", "next pane", "to the next list or picture", footer=False),
    Key("list.previous_pane", "shift+tab", "app.focus_previous", "previous pane", "to the one before", False),
    # Dialogs.
    Key("dialog.close", "escape", "close", "close", "close without doing anything"),
    Key("dialog.accept", "enter", "accept", "do it", "confirm the dialog"),
    Key("confirm.yes", "y", "answer(True)", "yes", "do it"),
    Key("confirm.no", "n,escape", "answer(False)", "no", "leave everything as it is"),
    # Dashboard.
    Key("dashboard.demo", "d", "demo", "start the demo", "train on built-in faces for a few minutes"),
    Key("dashboard.pause", "space", "pause", "pause", "pause or resume the shown job"),
    Key("dashboard.next_job", "n", "next_job", "next job", "show the next running job", footer=False),
    Key("dashboard.chart", "c", "focus_chart", "chart", "zoom, pan and inspect the chart by key, and back"),
    Key("dashboard.film", "f", "film", "film", "newest previews, or the same faces through the epochs"),
    Key(
        "dashboard.earlier",
        "h,left",
        "scrub(-1)",
        "earlier",
        "faces of an earlier epoch; the chart's cursor too",
    ),
    Key("dashboard.later", "l,right", "scrub(1)", "later", "faces of a later epoch, up to the newest"),
    Key("dashboard.log", "enter", "log", "log", "the shown job's log"),
    # Queue.
    Key("queue.add", "a", "add_training", "add", "queue chunks of training"),
    Key("queue.sample", "s", "add_sampling", "sample", "queue drawing pictures from a checkpoint"),
    Key("queue.log", "enter", "log", "log", "the worker's log"),
    Key("queue.pause", "space", "pause", "pause", "pause or resume the job"),
    Key(
        "queue.mark", "m", "mark", "mark", "mark it: pause, cancel and retry are about all marked jobs", False
    ),
    Key("queue.unmark", "M", "unmark", "unmark", "take all marks away"),
    Key("queue.move_down", "J,shift+down", "move(1)", "later", "later in the queue"),
    Key("queue.move_up", "K,shift+up", "move(-1)", "earlier", "earlier in the queue"),
    Key("queue.cancel", "x", "cancel", "cancel", "cancel the job; a running one checkpoints first"),
    Key("queue.retry", "r", "retry", "retry", "queue a failed or cancelled job again"),
    Key("queue.hold", "H", "hold", "hold queue", "start no further jobs, or resume", footer=False),
    Key("queue.ended", "e", "toggle_ended", "ended", "show or hide finished jobs"),
    # Checkpoints.
    Key("checkpoints.branch", "b", "branch", "branch", "a new run from this checkpoint, with changes"),
    Key("checkpoints.sample", "s", "sample", "sample", "queue drawing pictures from this checkpoint"),
    Key("checkpoints.train", "a", "train", "train on", "queue more chunks of this run", footer=False),
    Key("checkpoints.mark", "space", "mark", "mark", "mark for comparing"),
    Key("checkpoints.compare", "c", "compare", "compare", "the marked ones side by side"),
    Key("checkpoints.tag", "t", "tag", "tag", "tag the checkpoint, or remove a tag"),
    Key(
        "checkpoints.delete",
        "d",
        "delete",
        "delete",
        "to the trash, a run after confirmation; u brings it back",
    ),
    Key("checkpoints.evaluate", "e", "evaluate", "evaluate", "queue the measures of quality"),
    Key("checkpoints.export", "E", "export", "export", "write weights and profile to a folder"),
    Key("checkpoints.details", "enter", "details", "details", "all details", footer=False),
    Key("checkpoints.verify", "v", "verify", "verify", "read every byte and check it", footer=False),
    Key("checkpoints.rename", "R", "rename", "rename run", "give the run another name", footer=False),
    Key("measures.toggle", "space", "in_or_out", "in or out", "select the measure, or deselect it"),
    # Gallery.
    Key("gallery.open", "enter", "open", "large", "one face large, or back to the page"),
    Key("gallery.earlier", "h,left", "scrub(-1)", "to noise", "one step towards noise"),
    Key("gallery.later", "l,right", "scrub(1)", "to face", "one step towards the face"),
    Key(
        "gallery.play",
        "space",
        "play",
        "play",
        "play the denoising of the page, or of the large face",
    ),
    Key(
        "gallery.predicted",
        "p",
        "predicted",
        "predicted",
        "the predicted face, or the noisy one",
    ),
    Key("gallery.nearest", "n", "nearest", "nearest", "the nearest training faces beside it"),
    Key("gallery.film", "f", "film", "film", "the same faces through the epochs of the run"),
    Key("gallery.again", "s", "sample", "draw again", "queue another set with other settings"),
    Key("gallery.delete", "d", "delete", "delete", "to the trash; u brings it back"),
    # Profiles.
    Key("profiles.edit", "enter", "edit", "edit", "change it in a form that checks while you type"),
    Key("profiles.editor", "e", "editor", "$EDITOR", "open the file in your editor"),
    Key("profiles.new", "n", "new", "new", "a new profile from this one"),
    Key("profiles.estimate", "m", "estimate", "estimate", "memory and time on this machine"),
    Key("profiles.train", "a", "train", "train", "queue a run of this profile"),
    Key("profiles.diff", "space", "mark", "diff", "mark one, then show how others differ"),
    Key("profiles.delete", "d", "delete", "delete", "move your profile to the trash"),
    Key("profiles.save", "ctrl+s", "save", "save", "save the form as your own profile"),
    # The list of commands.
    Key("commands.copy", "enter", "copy", "copy", "copy the line to the terminal's clipboard"),
    # The profile form, in which letters are typed.
    Key("form.save", "ctrl+s", "save", "save", "save as your own profile"),
    Key("form.estimate", "ctrl+e", "estimate", "measure", "train a few steps and measure them"),
    Key(
        "form.next_choice", "tab", "choice(1)", "next choice", "the next value that is allowed", footer=False
    ),
    Key("form.choice_before", "shift+tab", "choice(-1)", "choice before", "the allowed value before", False),
    Key("form.up", "up", "cursor(-1)", "up", "the setting above", footer=False),
    Key("form.down", "down", "cursor(1)", "down", "the setting below", footer=False),
    Key("form.enter", "enter", "enter", "down", "the setting below, or the one that was found", footer=False),
    Key("form.find", "ctrl+f", "find", "find", "find a setting by a part of its name"),
    Key("form.changed", "ctrl+o", "changed", "changed only", "only the settings that were changed, or all"),
    Key("form.page_up", "pageup", "page(-1)", "page up", "a page up", footer=False),
    Key("form.page_down", "pagedown", "page(1)", "page down", "a page down", footer=False),
    Key("form.undo", "ctrl+z", "back", "as before", "reset this setting", footer=False),
    Key("form.leave", "escape", "leave", "leave", "without saving"),
    # Compare.
    Key("compare.mark", "space", "mark", "show/hide", "add a run to the comparison, or remove it"),
    Key("compare.fold", "enter", "fold", "fold", "show the runs of a study, or fold them away", footer=False),
    Key("compare.view", "v", "turn(1)", "view", "curves, profiles, faces, samples, figures"),
    Key("compare.view_before", "V", "turn(-1)", "view before", "the view before", footer=False),
    Key("compare.enter", "c", "focus_view", "chart/table", "into the chart or the table by key, and back"),
    Key("compare.earlier", "h,left", "scrub(-1)", "earlier", "faces of an earlier epoch", footer=False),
    Key("compare.later", "l,right", "scrub(1)", "later", "faces of a later epoch", footer=False),
    Key("compare.sample", "s", "sample", "draw", "queue pictures of each from the same seeds"),
    Key("compare.clear", "x", "clear", "clear", "remove all"),
    # Data.
    Key("data.add", "a", "add", "add pictures", "add a folder or a zip, with completion"),
    Key("data.train", "enter", "train", "train on it", "choose a profile and queue a run on this data set"),
    Key("data.verify", "v", "verify", "verify", "check every packed byte, and for changed pictures"),
    Key("data.remove", "d", "remove", "forget", "forget the data set; packed data goes to the trash"),
    Key("path.complete", "tab", "complete", "complete", "complete the path, or go to the next field"),
    Key("path.up", "up", "cursor(-1)", "up", "the folder above in the list", footer=False),
    Key("path.down", "down", "cursor(1)", "down", "the folder below in the list", footer=False),
    # The chart, when it has the focus.
    Key("chart.zoom_in", "plus,equals_sign", "zoom(0.5)", "zoom in", "a smaller part of the run"),
    Key("chart.zoom_out", "minus", "zoom(2.0)", "zoom out", "a larger part of the run"),
    Key("chart.left", "h,left", "move(-1)", "left", "move the view or the cursor left", footer=False),
    Key("chart.right", "l,right", "move(1)", "right", "move the view or the cursor right", footer=False),
    Key("chart.far_left", "H,shift+left", "move(-8)", "far left", "far to the left", footer=False),
    Key("chart.far_right", "L,shift+right", "move(8)", "far right", "far to the right", footer=False),
    Key("chart.first", "home", "first", "first", "to the first point", footer=False),
    Key("chart.follow", "end,f", "follow", "follow", "to the newest point, and follow it", footer=False),
    Key("chart.fit", "0", "fit", "all", "the whole run again"),
    Key("chart.inspect", "i", "inspect", "inspect", "read values at a cursor"),
    Key("chart.log", "y", "toggle_log", "log", "logarithmic or linear axis"),
    Key("chart.unit", "x", "next_unit", "unit", "epochs, steps or pictures along the axis", footer=False),
    Key("chart.raw", "R", "toggle_raw", "raw", "show or hide the raw line", footer=False),
    Key("chart.rougher", "left_square_bracket", "smoother(-1)", "rougher", "less smoothing", footer=False),
    Key("chart.smoother", "right_square_bracket", "smoother(1)", "smoother", "more smoothing", footer=False),
    Key("chart.leave", "escape", "leave", "leave", "hide the cursor", footer=False),
    # Pictures, when they have the focus: a page of them, one through time, a denoising.
    Key("faces.left", "h,left", "move(-1, 0)", "left", "the picture to the left", footer=False),
    Key("faces.right", "l,right", "move(1, 0)", "right", "the picture to the right", footer=False),
    Key("faces.up", "k,up", "move(0, -1)", "up", "the picture above", footer=False),
    Key("faces.down", "j,down", "move(0, 1)", "down", "the picture below", footer=False),
    Key("faces.next_page", "pagedown", "page(1)", "next page", "the next page of pictures", footer=False),
    Key("faces.page_before", "pageup", "page(-1)", "page before", "the page before", footer=False),
    Key("faces.first", "home", "jump(0)", "first", "the first picture", footer=False),
    Key("faces.last", "end", "jump(-1)", "last", "the last picture", footer=False),
    Key("faces.larger", "plus,equals_sign", "zoom(1)", "larger", "fewer and larger pictures"),
    Key("faces.smaller", "minus", "zoom(-1)", "smaller", "more and smaller pictures"),
    Key("faces.fit", "0", "fit", "fit", "the largest size at which all fit", footer=False),
    Key("faces.open", "enter", "choose", "open", "the picture large"),
    Key("film.earlier", "h,left", "move(-1)", "earlier", "an earlier moment"),
    Key("film.later", "l,right", "move(1)", "later", "a later moment"),
    Key("film.first", "home", "jump(0)", "first", "the first moment", footer=False),
    Key("film.last", "end", "jump(-1)", "last", "the newest moment", footer=False),
    Key("film.open", "enter", "choose", "open", "this moment large"),
    Key("player.back", "h,left", "scrub(-1)", "to noise", "one step towards noise"),
    Key("player.on", "l,right", "scrub(1)", "to face", "one step towards the face"),
    Key("player.first", "home", "scrub(-1000000)", "noise", "pure noise", footer=False),
    Key("player.last", "end", "scrub(1000000)", "face", "the finished face", footer=False),
    Key("player.play", "space", "play", "play", "play it, or stop it"),
)

BY_ID = {key.id: key for key in KEYS}


def group(name: str) -> tuple[Key, ...]:
    """Return all keys of a group, in the order of the footer."""
    return tuple(key for key in KEYS if key.group == name)


def bindings(*groups: str, only: Iterable[str] | None = None) -> "list[BindingType]":
    """Return Textual bindings of these groups, with ids; `only` picks ids."""
    from textual.binding import Binding

    wanted = None if only is None else set(only)
    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            show=key.footer,
            # The text line has keys of its own (ctrl+e: to its end); the form's come first.
            priority=name == "form",
            tooltip=key.help,
            id=key.id,
        )
        for name in groups
        for key in group(name)
        if wanted is None or key.id in wanted
    ]


# Groups whose keys are live at the same time: a key may mean one thing in each of these only.
_TOGETHER = (
    *((screen, "list", "app", "pane") for screen in SCREENS),
    *((widget, "app") for widget in ("chart", "faces", "film", "player")),
    ("dialog", "measures"),
    ("dialog", "path"),
    ("commands",),
    ("confirm",),
    ("form",),
)


def read_keymap(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return $DDPM_HOME/keymap.toml as {id: keys}, and its errors in words; wrong entries are left out.

    The file says `[queue]` and below it `pause = "p"` or `pause = ["p", "space"]`. No file is no problem.
    """
    try:
        if why := distrust(path):
            return {}, [f"{path.name} is not used, so the default keys apply: {why}"]
        content = read_toml(path, "the keymap")
    except FileNotFoundError:
        return {}, []
    except (OSError, TomlError) as error:
        return {}, [f"{path.name} cannot be read, so the default keys apply ({error})"]
    found: dict[str, str] = {}
    problems: list[str] = []
    for key_id, value in _flat(content):
        if key_id not in BY_ID:
            close = nearest(key_id, BY_ID)
            problems.append(f"{key_id} is not an action" + (f" (did you mean {close}?)" if close else ""))
            continue
        keys = [str(k).strip() for k in value] if isinstance(value, list) else str(value).split(",")
        named = [key_name(key.strip()) for key in keys]
        bad = [key for key, name in zip(keys, named, strict=True) if name is None]
        if bad or not named:
            problems.append(f"{key_id}: {', '.join(map(repr, bad)) or 'nothing'} is not a key")
            continue
        found[key_id] = ",".join(name for name in named if name)
    for key_id, text in _clashes(found):
        found.pop(key_id, None)
        problems.append(text)
    return found, problems


def _flat(table: dict[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _clashes(found: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Yield (id, why) for each entry whose key another action on the same screen already has."""
    said: set[str] = set()
    for groups in _TOGETHER:
        owners: dict[str, str] = {}
        here = [key for key in KEYS if key.group in groups]
        # Entries of the file come last, so that the moved key gets the message.
        for key in sorted(here, key=lambda key: key.id in found):
            for name in found.get(key.id, key.keys).split(","):
                owner = owners.setdefault(name, key.id)
                if owner != key.id and key.id in found and key.id not in said:
                    said.add(key.id)
                    yield key.id, f"{key.id}: {name!r} is already {owner}"
