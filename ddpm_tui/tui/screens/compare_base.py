"""The base of the comparison's views: a box that is given the subjects and the Snapshot. It knows neither the
screen's keys nor its list.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static

from ddpm_tui.tui.state.comparing import Compared
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.widgets.abstract import Abstract
from engine.base.errors import DdpmError

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp
    from ddpm_tui.tui.screens.base import BaseScreen


class CompareView(Container, Abstract):
    """A picture, or a sentence if there is none. `remark` goes beside the names of the views."""

    DEFAULT_CSS = "CompareView { width: 1fr; height: 1fr; display: none; }"

    def __init__(self, name: str, *content: Widget) -> None:
        super().__init__(id=f"view-{name}")
        self._note = Static("", classes="placeholder", markup=False)
        self._content = content
        self._made: tuple[Any, ...] = ()
        self.remark = ""
        self.target: Widget | None = None
        """What takes keys of its own."""

    def compose(self) -> ComposeResult:
        yield self._note
        yield from self._content

    def on_mount(self) -> None:
        self.say("")

    @property
    def ddpm(self) -> "DdpmApp":
        return cast("DdpmApp", self.app)

    @abstractmethod
    def paint(self, subjects: Sequence[Compared], snapshot: Snapshot) -> None:
        """Show these subjects; there is at least one. Called with every Snapshot while the view is the shown
        one."""

    def forget(self) -> None:
        """Let the next `paint` make everything anew."""
        self._made = ()

    def say(self, text: str) -> None:
        self._note.update(text)
        self._reveal(False)

    def reveal(self) -> None:
        self._reveal(True)

    def _reveal(self, content: bool) -> None:
        self._note.display = not content
        for widget in self._content:
            widget.display = content

    def beside(self, work: Callable[..., Any], *args: Any) -> None:
        """Run `work` beside the screen and cancel older work; show its DdpmError in the view."""

        async def run() -> None:
            try:
                await work(*args)
            except DdpmError as error:
                self.say(str(error))

        cast("BaseScreen", self.screen).read(run, group="fill")
