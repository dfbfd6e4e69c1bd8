"""Every use of a name that Textual keeps to itself, and why it is needed. No other module may touch one.

When Textual changes, this is the file to look at: tests/ddpm_tui/tui/test_textual_private.py says which name is
gone, tests/ddpm_tui/test_keys_in_order.py which behaviour is broken.
"""

from collections.abc import Iterator
from typing import Any, cast

from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.filter import LineFilter
from textual.geometry import Size
from textual.keys import Keys
from textual.message import Message
from textual.message_pump import MessagePump
from textual.messages import TerminalSupportsSynchronizedOutput
from textual.screen import Screen

__all__ = [
    "ChopsUpdate",
    "CompositorUpdate",
    "LayoutUpdate",
    "OpenApp",
    "OpenScreen",
    "Sequences",
    "TerminalAnswer",
    "Update",
]

HOLDS_FROM, HOLDS_TO = "8", "8.2.8"
"""The oldest and the newest version of Textual with which all of this is known to hold."""

Update = LayoutUpdate | ChopsUpdate
"""What a screen sends to be drawn: all of it, or the pieces that changed."""


class TerminalAnswer(Message):
    """The terminal answered a question of the app's: the whole sequence."""

    def __init__(self, sequence: str) -> None:
        super().__init__()
        self.sequence = sequence


class OpenApp(App[None]):
    """An App with public names for the private members that are needed."""

    def to_terminal(self, update: Update) -> CompositorUpdate | None:
        """Return the update to write in place of `update`; None for nothing."""
        return update

    def faulted(self, error: Exception) -> bool:
        """Handle the failure of a widget's handler. Return whether the app goes on all the same."""
        return False

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        # Textual's only way to the terminal: the only place to leave out cells that are shown already.
        shown = not self._batch_count and self._running and not self.is_headless
        if shown and isinstance(renderable, Update):
            renderable = self.to_terminal(renderable)
        super()._display(screen, renderable)

    def _handle_exception(self, error: Exception) -> None:
        # Textual ends the app at the first fault of any widget, without asking.
        if not self._running or not self.faulted(error):
            super()._handle_exception(error)

    def write_raw(self, text: str) -> None:
        """Send it to the terminal as it is, after all earlier output; drop it if there is no terminal."""
        if self._driver is not None and self._running and not self.is_headless:
            self._driver.write(text)

    @property
    def all_screens(self) -> Iterator[Screen[Any]]:
        """Yield the screens of every mode: `screen_stack` has only the present one's."""
        for stack in self._screen_stacks.values():
            yield from stack

    @property
    def changed_keys(self) -> dict[str, str]:
        """Return the keys given to `set_keymap`: there is no way to read them back."""
        return dict(self._keymap)

    @property
    def line_filters(self) -> list[LineFilter]:
        """Return the filters of lines on their way to the terminal. The list is the app's own: there is no other
        access."""
        return self._filters

    def hand_on(self, event: events.Event) -> bool:
        """Post a message as `post_message` does without `OpenApp`'s subclasses."""
        return super().post_message(event)

    @property
    def at_rest(self) -> bool:
        """Return whether every widget has handled all its messages, and the shown screen has nothing left to call.

        Textual tells it to its tests only, by a message to every widget, which says nothing of the messages posted
        meanwhile by earlier ones. A pump that waits for its next message waits for its queue's event.
        """
        if self._resize_event is not None:  # kept for a moment, as more sizes may come
            return False
        pumps: list[MessagePump] = [self, *self._registry]
        if not all(map(_waits, pumps)):
            return False
        if not self.screen_stack:
            return True
        screen = self.screen
        # The page's size depends on the layout, which is made anew at the next refresh only.
        return not (screen._callbacks or screen._layout_required or screen._recompose_required)


def _waits(pump: MessagePump) -> bool:
    """Return whether it waits for a message, or will never take one again."""
    ended = pump._task is None or pump._task.done()
    if pump._closing or pump._closed or (ended and not isinstance(pump, App)):
        return True
    queue = cast(Any, pump._message_queue)
    return queue.empty() and bool(queue.ready_event._waiters) and not pump._next_callbacks


class OpenScreen:
    """Comes before Screen in a class: Textual's hooks of a screen, under names that can be overridden."""

    def dispatch_failed(self, error: Exception) -> None:
        """Handle the failure of one of the screen's own handlers."""

    def resized(self, size: Size) -> None:
        """Act on the screen's new size."""

    async def _dispatch_message(self, message: Message) -> None:
        # An error that leaves a handler ends the screen's message loop: it would be shown but answer nothing.
        try:
            await super()._dispatch_message(message)  # type: ignore[misc]
        except Exception as error:
            self.dispatch_failed(error)

    def _screen_resized(self, size: Size) -> None:
        # Textual sends a screen its new size once more after each layout. Two sizes under way at once would send
        # each other again for ever, so only the terminal's present size counts.
        size = cast(Screen[None], self).app.size
        super()._screen_resized(size)  # type: ignore[misc]
        self.resized(size)


class Sequences:
    """The meaning of one whole escape sequence or one character: Textual's tables, without its parser's clock.

    That parser takes every packet's end for the end of a sequence, after a moment, and emits its rest as keys.
    """

    def __init__(self) -> None:
        self._parser = XTermParser()

    def key(self, text: str, alt: bool = False) -> list[Message]:
        """Return the messages of one character, or of a sequence that is a key; none if it is not a key."""
        found = self._parser._sequence_to_key_events(text, alt)
        return [event for event in found if event.key != Keys.Ignore]

    def report(self, sequence: str) -> list[Message]:
        """Return the messages of a whole sequence that is no key: the mouse, the focus, the terminal's answers."""
        if sequence == "\x1b[I":
            return [events.AppFocus()]
        if sequence == "\x1b[O":
            return [events.AppBlur()]
        if sequence.startswith("\x1b[<"):
            found = self._parser.parse_mouse_code(sequence)
            return [] if found is None else [found]
        if sequence in ("\x1b[?2026;1$y", "\x1b[?2026;2$y"):
            return [TerminalSupportsSynchronizedOutput()]
        if sequence[1] in "P]" or (sequence.startswith("\x1b[?") and sequence.endswith("c")):
            return [TerminalAnswer(sequence)]
        return []
