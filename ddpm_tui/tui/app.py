"""The Textual app: modes, themes, keys, messages, and the one Snapshot that every screen shows.

Only code that all screens share is here. Screens are imported when they are first shown, so that the first paint
needs neither NumPy nor pydantic; torch is never imported.
"""

import asyncio
import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from ddpm_tui.draw.terminal import Terminal, here

# Textual reads these when it is imported.
os.environ.setdefault("TEXTUAL_FPS", "30")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
os.environ.setdefault("ESCDELAY", "50")

from textual.app import SystemCommand
from textual.driver import Driver
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen

from ddpm_tui.draw.glyphs import PlainText
from ddpm_tui.tui import themes
from ddpm_tui.tui.keymap import BY_ID, SCREENS, bindings, read_keymap, shown
from ddpm_tui.tui.output import TerminalApp
from ddpm_tui.tui.state.budget import Budget
from ddpm_tui.tui.state.shell import line
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.state.undo import Undo
from ddpm_tui.tui.turns import ORDERED, Turns
from ddpm_tui.tui.undoing import Undoing
from engine.base.errors import DdpmError
from engine.base.home import Home

if TYPE_CHECKING:
    from ddpm_tui.tui.screens.base import BaseScreen
    from ddpm_tui.tui.state.estimator import Estimating
    from ddpm_tui.tui.state.store import SnapshotStore

log = logging.getLogger(__name__)

MESSAGE_S = 6.0
ECHOES = 200
BYTES_PER_SECOND = 1700.0
LOW_BYTES_PER_SECOND = 400.0


def _screen(name: str) -> Callable[[], "BaseScreen"]:
    """Return a factory that makes screens/<name>.py's <Name>Screen when its mode is first shown."""

    def make() -> "BaseScreen":
        module = import_module(f"ddpm_tui.tui.screens.{name}")
        screen: BaseScreen = getattr(module, f"{name.capitalize()}Screen")()
        return screen

    return make


class DdpmApp(Undoing, TerminalApp):
    """The app. `snapshot` is the only thing screens show; `store` makes it, `undo` takes changes back."""

    TITLE = "ddpm-tui"
    MODES: ClassVar[dict[str, Any]] = {name: _screen(name) for name in SCREENS}
    DEFAULT_MODE = "dashboard"
    CSS_PATH = "app.tcss"
    BINDINGS = bindings("app")
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    snapshot: reactive[Snapshot] = reactive(Snapshot(), init=False, repaint=False)

    def __init__(
        self,
        home: Home,
        store: "SnapshotStore",
        *,
        terminal: Terminal | None = None,
        low_bandwidth: bool = False,
        driver_class: type[Driver] | None = None,
        clock: Callable[[], float] = time.monotonic,
        estimator: "Estimating | None" = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        self.home = home
        self.store = store
        self.low_bandwidth = low_bandwidth
        self.budget = Budget(LOW_BYTES_PER_SECOND if low_bandwidth else BYTES_PER_SECOND)
        self.undo = Undo(lambda: (self.current_mode, self.monotonic()))
        self._estimator = estimator
        self.monotonic = clock
        self.marked: tuple[str, ...] = ()
        """Runs or RUN@STEP that one screen hands to another (the compare screen)."""
        self.faults: list[str] = []
        self.echoes: list[tuple[float, str, str]] = []
        """When, the command or the message, and the tone of a message."""
        self.painted = False
        """Whether there was a first paint, so that slow imports hold nothing up any more."""
        for theme in themes.themes():
            self.register_theme(theme)
        # Set before anything is styled, or the style sheets would be read twice.
        self.set_reactive(DdpmApp.theme, self._stored_theme())
        self.stylesheet.set_variables(self.get_css_variables())
        self.set_up_output(terminal or here())
        self._quiet_at = 0.0
        self.turns = Turns(self.hand_on, lambda: self.at_rest, self.exit)
        self._guard_pid = os.getppid()
        self._recent_faults: list[float] = []
        if not self.terminal.unicode:
            self.line_filters.append(PlainText(_encoding()))

    # Life.

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)
        keymap, problems = read_keymap(self.home.keymap)
        self.set_keymap(keymap)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            self.call_after_refresh(self.say, f"keymap.toml: {problems[0]}{more}", "warn")
        self.call_after_refresh(self._start)

    def _stored_theme(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            name = self.home.theme.read_text().strip()
            if name in themes.NAMES:
                return name
        return themes.DEFAULT

    def _start(self) -> None:
        """Start the slower work after the first paint."""
        gc.enable()
        self.painted = True
        self.conversation.begin(self.terminal, os.environ)
        for screen in self.screen_stack[:1]:
            screen.after_paint()  # type: ignore[attr-defined]
        self.store.start(self._publish)

    def _publish(self, snapshot: Snapshot) -> None:
        was, self.snapshot = self.snapshot.engine, snapshot
        engine, before = snapshot.engine, was.problem
        if engine.problem not in ("", before):
            self.say(engine.problem, "bad")
        elif engine.old and not was.old:
            self.say(
                f"the running engine is of ddpm-tui {engine.version}: {self.key('app.restart_engine')} replaces it; "
                "its jobs continue",
                "warn",
            )
        elif before and not engine.problem:
            self.say("the engine works again")

    async def on_unmount(self) -> None:
        if self._estimator is not None:
            await self._estimator.close()
        if self.placeholders is not None:
            self.placeholders.close()
        await self.store.close()

    def _tick(self) -> None:
        if os.getppid() != self._guard_pid:
            self.exit()  # without its guard it would run beside the shell on the same terminal
        if self._quiet_at and self.monotonic() >= self._quiet_at:
            self._quiet_at = 0.0
            self._foot(lambda foot: foot.quiet())

    # Messages and errors.

    def say(self, text: str, tone: str = "good") -> None:
        """Show one line at the foot of the screen, for some seconds or until the next one."""
        self._quiet_at = self.monotonic() + MESSAGE_S * (2 if tone == "bad" else 1)
        if tone in ("bad", "warn"):
            self.echoes = [*self.echoes, (time.time(), text, tone)][-ECHOES:]
        if tone == "bad":
            self.undo.failed()
        self._foot(lambda foot: foot.say(text, tone))

    def _foot(self, do: Callable[[Any], None]) -> None:
        from ddpm_tui.tui.widgets.bars import FootBar

        # On every screen: a message shown just before leaving a screen would else reappear on return.
        for screen in self.all_screens:
            for foot in screen.query(FootBar):
                do(foot)

    def report(self, error: BaseException, where: str) -> None:
        """Report an unexpected error: a line for the person, the rest for the log."""
        if isinstance(error, DdpmError):
            self.say(str(error), "bad")
            return
        if isinstance(error, OSError) and error.filename is not None:  # the disk's fault, no bug of ours
            log.warning("%s failed", where, exc_info=error)
            self.say(f"{(error.strerror or str(error)).lower()}: {error.filename}", "bad")
            return
        self.faults.append(f"{where}: {error!r}")
        log.error("%s failed", where, exc_info=error)
        self.say(f"{where}: {type(error).__name__}: {error} (tui.log has details)", "bad")

    def faulted(self, error: Exception) -> bool:
        """Report one error of any widget and go on; end the app if errors come in a storm, as going on would only
        hide it."""
        now = time.monotonic()
        self._recent_faults = [t for t in self._recent_faults if t > now - 5] + [now]
        if len(self._recent_faults) > 20:
            return False
        self.report(error, "the app")
        return True

    # Keys.

    def post_message(self, message: Message) -> bool:
        """Queue input from the terminal; a key that bubbles back here has been handled."""
        if isinstance(message, ORDERED) and not message.is_forwarded and self.is_running:
            self.turns.take(message)
            return True
        return super().post_message(message)

    async def run_action(self, action: Any, default_namespace: Any = None, namespaces: Any = None) -> bool:
        """Run an action as Textual does, and report its failure in one line.

        An action that needs data its screen is still reading waits for it; later keys wait too."""
        from ddpm_tui.tui.screens.base import BaseScreen

        self.budget.forgive(time.monotonic())
        node = self if default_namespace is None else default_namespace
        screen = getattr(node, "screen", None) if node is not self else None

        async def run() -> bool:
            try:
                return await super(DdpmApp, self).run_action(action, default_namespace, namespaces)
            except Exception as error:
                self.report(error, "that key")
                return True

        name = str(action)
        of_the_app = name.startswith("app.") and not name.startswith("app.focus")
        if of_the_app or not isinstance(screen, BaseScreen) or not screen.still_reads(node, name):
            return await run()
        screen.beside(partial(screen.when_read, node, name, run), holds=True)
        return True

    # Keys of the whole app.

    async def action_go(self, mode: str) -> None:
        """Go to a screen. Dialogs open over the present one stay there."""
        if mode == self.current_mode:
            return
        # The message belonged to the other screen; here the footer's keys are of more use.
        self._quiet_at = 0.0
        self._foot(lambda foot: foot.quiet())
        try:
            await self.switch_mode(mode)
        except Exception as error:
            self.report(error, f"{mode} screen")

    def action_help(self) -> None:
        from ddpm_tui.tui.screens.help import Help

        self.push_screen(Help(self.screen))

    def action_commands(self) -> None:
        from ddpm_tui.tui.screens.commands import CommandLog

        self.push_screen(CommandLog())

    def action_go_to(self) -> None:
        from ddpm_tui.tui.screens.go_to import SUBJECTS, GoTo

        async def go(answer: dict[str, Any] | None) -> None:
            if answer is not None:
                mode, _, subject = str(answer["chosen"]).partition(":")
                await (self.open(mode, **{SUBJECTS[mode]: subject}) if subject else self.action_go(mode))

        self.push_screen(GoTo(), go)

    def action_next_theme(self) -> None:
        at = themes.NAMES.index(self.theme) if self.theme in themes.NAMES else -1
        self.theme = themes.NAMES[(at + 1) % len(themes.NAMES)]
        with contextlib.suppress(OSError):
            self.home.theme.write_text(self.theme + "\n")
        self.say(f"theme {self.theme.removeprefix('ddpm-')}")

    def action_restart_engine(self) -> None:
        """Restart an engine that is older or was stopped. A working one is left alone, as the key may be a
        slip.
        """
        if self.snapshot.engine.link == "stopped":
            self.in_turn(self._start_engine())
        elif self.snapshot.engine.old:
            self.in_turn(self._restart_engine())
        else:
            self.say("the engine is not older than this program", "dim")

    async def _start_engine(self) -> None:
        from engine.client.sync import ensure_engine

        self.say("starting the engine…", "dim")
        try:
            client = await asyncio.to_thread(ensure_engine, self.home)
        except DdpmError as error:
            self.say(str(error), "bad")
        else:
            client.close()
            self.echo(line("engine", "start"))
            self.say("the engine was started")

    async def _restart_engine(self) -> None:
        from engine.client.ending import restart_engine

        self.say("restarting the engine…", "dim")
        try:
            client = await asyncio.to_thread(restart_engine, self.home)
        except DdpmError as error:
            self.say(str(error), "bad")
        else:
            client.close()
            self.say("the engine was restarted")
            self.store.poke()

    def in_turn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the app, as the engine may not answer and ctrl+q has to work; later keys wait for
        it.
        """
        self.turns.wait_for(self.run_worker(work, exit_on_error=False))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return the commands of the palette."""
        from ddpm_tui.tui.palette import commands

        return commands(self, screen)

    def offers(self, key_id: str) -> bool:
        """Return whether a key has an effect now; see `BaseScreen.offers`."""
        needed = {
            "app.redo": bool(self.undo.next_again),
            "app.restart_engine": self.snapshot.engine.old or self.snapshot.engine.link == "stopped",
        }
        return needed.get(key_id, True)

    def echo(self, command: str) -> None:
        """Record the command equivalent to the last action in the list of commands."""
        if command:
            self.echoes = [*self.echoes, (time.time(), command, "")][-ECHOES:]

    # Small conveniences for screens.

    def key(self, key_id: str) -> str:
        """Return the key of an action as people read it, by the present keymap: "queue.add" → "a"."""
        return shown(self.changed_keys.get(key_id, BY_ID[key_id].keys).split(",")[0])

    @property
    def estimator(self) -> "Estimating":
        """Return the estimator of profiles' costs; it is made at the first use."""
        if self._estimator is None:
            from ddpm_tui.tui.state.estimator import Estimator

            self._estimator = Estimator(self.home)
        return self._estimator

    def may_write(self, cost: float) -> bool:
        """Return whether something that repaints by itself may now send about `cost` bytes."""
        return self.budget.allows(cost, time.monotonic())

    async def open(self, mode: str, **subject: Any) -> None:
        """Go to a screen and have it show something: its `open` is called with `subject` once it is up."""
        await self.action_go(mode)
        screen = self.screen_stack[0]
        self.call_after_refresh(lambda: screen.open(**subject))  # type: ignore[attr-defined]


def _encoding() -> str:
    return getattr(sys.__stderr__, "encoding", None) or "ascii"
