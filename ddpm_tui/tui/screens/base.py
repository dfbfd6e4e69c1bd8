"""The base of every screen: the two bars, a filter line, painting from the Snapshot, and errors that stay
small.
"""

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.worker import Worker, WorkerState

from ddpm_tui.tui.keymap import BY_ID, bindings
from ddpm_tui.tui.screens.panes import Panes
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.textual_private import OpenScreen
from ddpm_tui.tui.widgets.abstract import Abstract
from ddpm_tui.tui.widgets.banner import Banner
from ddpm_tui.tui.widgets.bars import FootBar, TopBar
from ddpm_tui.tui.widgets.line import LONGEST, TextLine
from ddpm_tui.tui.widgets.rows import Line, Rows
from ddpm_tui.tui.widgets.table import Table
from engine.base.errors import DdpmError

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp

log = logging.getLogger(__name__)

SMALLEST = (60, 18)
"""Columns and rows below which nothing useful can be shown."""

Result = TypeVar("Result")


class TooSmall(Rows):
    """Covers a screen while the terminal is too small for it."""

    def lines(self, width: int, height: int) -> list[Line]:
        wide, tall = SMALLEST
        now = self.app.size
        text = [
            f"{now.width}×{now.height} is too small",
            f"needs {wide}×{tall} or more",
            f"{cast('DdpmApp', self.app).key('app.quit')} quits",
        ]
        above = max(0, (height - len(text)) // 2)
        return [[""]] * above + [[" " * max(0, (width - len(t)) // 2), (t, "warn")] for t in text]


class Sturdy(OpenScreen):
    """A screen whose handlers may fail: the error is shown in one line and logged, and the screen goes on."""

    def dispatch_failed(self, error: Exception) -> None:
        cast("DdpmApp", self.app).report(error, type(self).__name__)  # type: ignore[attr-defined]

    def beside(
        self, work: Callable[[], Coroutine[Any, Any, None]], group: str = "", holds: bool = False
    ) -> "Worker[Any]":
        """Run `work` beside the screen. One of a `group` at a time: the older one is given up.

        holds: it is part of the last key's action, so later keys wait for it.
        """
        screen = cast(Screen[None], self)
        task = cast(Any, work)
        worker = screen.run_worker(task, group=group or "default", exclusive=bool(group), exit_on_error=False)
        if holds:
            cast("DdpmApp", screen.app).turns.wait_for(worker)
        return worker

    def give_up(self, group: str) -> None:
        """Cancel the work that `beside` began in a group: its result is no longer wanted."""
        screen = cast(Screen[None], self)
        screen.workers.cancel_group(screen, group)

    def on_text_line_too_long(self, event: TextLine.TooLong) -> None:
        """Refuse an overlong paste: it was meant for another place, and its beginning alone is no one's
        intent.
        """
        event.stop()
        text = f"nothing was pasted: {event.length:,} characters are too long for a line of {LONGEST:,}"
        cast("DdpmApp", self.app).say(text, "warn")  # type: ignore[attr-defined]

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report failed work beside the screen like any other fault."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            cast("DdpmApp", self.app).report(event.worker.error, type(self).__name__)  # type: ignore[attr-defined]

    def resized(self, size: Size) -> None:
        small = size.width < SMALLEST[0] or size.height < SMALLEST[1]
        screen = cast(Screen[None], self)
        if small and not screen.query(TooSmall) and screen.is_mounted:
            screen.mount(TooSmall(classes="too-small"))
        screen.set_class(small, "-too-small")


class BaseScreen(Panes, Sturdy, Screen[None], Abstract):
    """Subclasses set NAME (a mode), give `body` and `paint`; both may fail without taking the app along.

    `paint` is called with every new Snapshot while the screen is the shown one, and once when it comes up.
    """

    NAME = ""
    AUTO_FOCUS = ""
    BINDINGS = bindings("app", "pane")

    def __init_subclass__(cls, **more: Any) -> None:
        # Its own style sheet lies beside it and is read when the screen is first shown.
        cls.CSS_PATH = f"{cls.NAME}.tcss"
        super().__init_subclass__(**more)

    def __init__(self) -> None:
        super().__init__(name=self.NAME, id=self.NAME)
        self._complete = False
        self._reading_now: list[tuple[Worker[Any], str]] = []

    @property
    def ddpm(self) -> "DdpmApp":
        return cast("DdpmApp", self.app)

    @property
    def snapshot(self) -> Snapshot:
        return self.ddpm.snapshot

    def compose(self) -> ComposeResult:
        yield TopBar(self.NAME)
        yield Banner()
        with Container(id="body"):
            yield from self.body()
        yield FootBar()

    @abstractmethod
    def body(self) -> ComposeResult:
        """Yield the widgets between the bars."""

    @abstractmethod
    def paint(self, snapshot: Snapshot) -> None:
        """Show the Snapshot. Own widgets compare and send only the differences, so hand everything over."""

    def on_mount(self) -> None:
        self.watch(self.app, "snapshot", self._on_snapshot, init=False)

    def after_paint(self) -> None:
        """Start the slow work, once the screen and the app are painted."""
        if self.ddpm.painted and not self._complete and self.is_mounted:
            self._complete = True
            self.painted_first()

    def painted_first(self) -> None:
        """Import the slow modules in a worker, now that the screen has been painted for the first time."""

    def on_screen_resume(self) -> None:
        self._paint(self.snapshot)
        self.call_after_refresh(self.after_paint)

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        if self.is_current or (self.ddpm.current_mode == self.NAME and self.is_attached):
            self._paint(snapshot)

    def repaint(self) -> None:
        """Paint the last Snapshot again: something of the screen's own changed."""
        self._paint(self.snapshot)

    def _paint(self, snapshot: Snapshot) -> None:
        if not self.is_mounted:
            return
        try:
            self.query_one(TopBar).show(snapshot)
            self.query_one(Banner).show(snapshot, self.ddpm.key)
            self.paint(snapshot)
            self.query_one(FootBar).repaint()
        except Exception as error:
            self.ddpm.report(error, f"{self.NAME} screen")

    def label(self, key_id: str) -> str:
        """Return a key's present effect in a word; "" if it is the keymap's word."""
        return ""

    def offers(self, key_id: str) -> bool:
        """Return whether the key has an effect now: footer and help name those only; other keys say why they
        have none.
        """
        return True

    @on(Table.Moved)
    def _other_keys(self) -> None:
        self.query_one(FootBar).repaint()

    def say(self, text: str, tone: str = "good") -> None:
        self.query_one(FootBar).say(text, tone)

    # The filter line: screens with lists react to `filtered`.

    async def action_filter(self) -> None:
        from ddpm_tui.tui.widgets.filter import FilterBar, FilterLine

        if not self.query(FilterBar):
            await self.mount(FilterBar(self.filtered), before=self.query_one(FootBar))
        self.query_one(FilterLine).open()

    def action_unfilter(self) -> None:
        from ddpm_tui.tui.widgets.filter import FilterLine

        for line in self.query(FilterLine):
            line.clear_words()

    def filtered(self, words: str) -> None:
        """Take the filter's new text. Screens with lists hand it to the list."""

    # Waiting for the data that keys apply to.

    def read(
        self, work: Callable[[], Coroutine[Any, Any, None]], table: str = "", group: str = ""
    ) -> "Worker[Any]":
        """Run `work` beside the screen while the screen's own keys wait for it.

        The keys of the Table with the id `table`, whose rows it brings, wait too."""
        worker = self.beside(work, group)
        self._reading_now.append((worker, table))
        return worker

    def still_reads(self, node: object, action: str) -> bool:
        """Return whether data that this action of `node` (the screen, a widget) needs is still being read."""
        self._reading_now = [(w, table) for w, table in self._reading_now if not w.is_finished]
        if not self._reading_now or (node is self and not self.needs(action)):
            return False
        return node is self or any(
            table and table == getattr(node, "id", "") for _, table in self._reading_now
        )

    def needs(self, action: str) -> bool:
        """Return whether an action of the screen needs the result of `read`."""
        return True

    async def when_read(self, node: object, action: str, run: Callable[[], Awaitable[object]]) -> None:
        """Run an action as soon as the data it needs is there."""
        end = time.monotonic() + self.ddpm.turns.limit
        while self.still_reads(node, action) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        await run()

    # Work that may take a while or fail.

    def ask(self, dialog: "Dialog[Result]", do: Callable[[Result], Awaitable[object]]) -> None:
        """Open a dialog that calls `do` with its answer and closes when it is done; `do` may raise DdpmError."""
        dialog.do = do
        self.app.push_screen(dialog)

    def attempt(
        self, work: Awaitable[Result], then: Callable[[Result], None] | None = None, holds: bool = True
    ) -> None:
        """Await `work` beside the screen; say its DdpmError in the footer; call `then` with its result.

        holds: see `beside`; leave it off if the work takes long and changes nothing that the next key needs.
        """

        async def run() -> None:
            try:
                result = await work
            except DdpmError as error:
                self.ddpm.say(str(error), "bad")
            except Exception as error:
                self.ddpm.report(error, f"{self.NAME} screen")
            else:
                if then is not None:
                    then(result)

        self.beside(run, holds=holds)


class Dialog(Sturdy, ModalScreen[Result]):
    """A box over the screen. Escape closes it with None."""

    BINDINGS = bindings("dialog", only=["dialog.close"])
    AUTO_FOCUS = "*"

    @property
    def ddpm(self) -> "DdpmApp":
        return cast("DdpmApp", self.app)

    def keys_line(self, *said: tuple[str, str]) -> str:
        """Return the keys that a box names: (an id of the keymap, or a key that is always the same; its
        effect) each.
        """
        return "   ".join(f"{self.ddpm.key(key) if key in BY_ID else key} {does}" for key, does in said)

    def action_close(self) -> None:
        self.dismiss(None)

    do: "Callable[[Any], Awaitable[object]] | None" = None
    """What the answer is for. While it is refused the dialog stays as it is, with all that was typed."""
    _doing = False

    def submit(self, answer: Result) -> None:
        """Do the work with the answer, and close when it is done."""
        if self.do is None:
            self.dismiss(answer)
        elif not self._doing:
            self._doing = True
            self.beside(partial(self._do, self.do, answer), holds=True)

    async def _do(self, do: "Callable[[Any], Awaitable[object]]", answer: Result) -> None:
        try:
            await do(answer)
        except DdpmError as error:
            self.refused(str(error))
        else:
            if self in self.app.screen_stack:
                self.dismiss(answer)
        finally:
            self._doing = False

    def refused(self, why: str) -> None:
        """Show the reason in the dialog."""
        self.ddpm.say(why, "bad")
