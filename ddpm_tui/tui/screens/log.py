"""A job's log, followed: its worker's messages, newest at the end."""

import asyncio
import re
import textwrap

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.widgets.rows import Line, Rows, scrollbar, spread
from engine.base.folders import JobFolder
from engine.base.records import read_tail
from engine.base.text import visible
from engine.service.states import job_number

TAIL = 256 << 10
"""Bytes from the log's end that are read; more nobody scrolls through here."""

_SCROLL = ["list.up", "list.down", "list.page_up", "list.page_down", "list.first", "list.last"]


class LogLines(Rows, can_focus=True):
    """The lines, with the view at the end until the user scrolls up."""

    BINDINGS = bindings("list", only=_SCROLL)
    DEFAULT_CSS = "LogLines { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self._wrapped: list[tuple[str, str]] = []
        self._top: int | None = None

    def show(self, text: list[str]) -> None:
        self.text = text
        self._wrap(self.content_size.width)
        self.repaint()

    def _wrap(self, width: int) -> None:
        """Return (text, ink) of every line as shown: today's date is left out, long lines go on indented."""
        self._wrapped = []
        for line in self.text:
            line = re.sub(r"^\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d )", r"\1", line)
            pieces = textwrap.wrap(
                line, max(20, width - 2), subsequent_indent="  ", drop_whitespace=False
            ) or [""]
            self._wrapped += [(piece, _tone(line)) for piece in pieces]

    def on_resize(self) -> None:
        self._wrap(self.content_size.width)
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        last = max(0, len(self._wrapped) - height)
        top = last if self._top is None else min(self._top, last)
        shown: list[Line] = [[piece] for piece in self._wrapped[top : top + height]]
        if bar := scrollbar(len(self._wrapped), height, top):
            shown = [spread(line, [sign], width) for line, sign in zip(shown, bar, strict=True)]
        return shown or [[("nothing yet", "dim")]]

    def action_cursor(self, by: int) -> None:
        last = max(0, len(self._wrapped) - self.content_size.height)
        top = (last if self._top is None else self._top) + by
        self._top = None if top >= last else max(0, top)
        self.repaint()

    def action_page(self, by: int) -> None:
        self.action_cursor(by * max(1, self.content_size.height - 1))

    def action_edge(self, where: int) -> None:
        self._top = 0 if where < 0 else None
        self.repaint()


class LogTail:
    """The end of a job's log, read again only when the file changed."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] | None = None

    def read(self) -> list[str] | None:
        """Return the last lines; None if they are unchanged."""
        try:
            status = self._folder.log.stat()
            stamp = (status.st_size, status.st_mtime_ns)
            if stamp == self._stamp:
                return None
            content, size = read_tail(self._folder.log, TAIL)
            self._stamp = stamp
            lines = content.decode(errors="replace").replace("\r", "\n").splitlines()
        except FileNotFoundError:
            return ["no log yet"]
        except OSError as error:
            return [f"the log cannot be read ({error.strerror})"]
        return [visible(line.expandtabs()) for line in (lines[1:] if size > TAIL else lines)]


class LogView(Dialog[None]):
    """Follows the log while its end is in view."""

    BINDINGS = bindings("dialog", only=["dialog.close"])

    def __init__(self, folder: JobFolder, title: str) -> None:
        super().__init__()
        self._folder, self._title = folder, title
        self._tail = LogTail(folder)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide tall"):
            yield Static(
                f"log of job {job_number(self._folder.id)}: {self._title}", classes="question", markup=False
            )
            yield LogLines()
            yield Static(self.keys_line(("dialog.close", "back")), classes="keys", markup=False)

    async def on_mount(self) -> None:
        self.set_interval(1.0, self._look)
        await self._look()

    async def _look(self) -> None:
        found = await asyncio.to_thread(self._tail.read)
        if found is not None:
            self.query_one(LogLines).show(found)


def _tone(line: str) -> str:
    low = line.lower()
    return "bad" if "error" in low else "warn" if "warning" in low or "damaged" in low else ""
