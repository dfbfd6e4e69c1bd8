"""Small questions over a screen: yes or no, one line of text."""

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.widgets.line import TextLine
from engine.base.errors import DdpmError


class Confirm(Dialog[bool]):
    """Asked only if something is lost. True for yes."""

    BINDINGS = bindings("confirm")

    def __init__(
        self, question: str, consequence: str = "", yes: str = "yes", no: str = "change nothing"
    ) -> None:
        """Make a question. yes, no: the effects of the two keys, in words."""
        super().__init__()
        self._question, self._consequence, self._yes, self._no = question, consequence, yes, no

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self._question, classes="question", markup=False)
            if self._consequence:
                yield Static(self._consequence, classes="hint", markup=False)
            keys = self.keys_line(("confirm.yes", self._yes), ("confirm.no", self._no))
            yield Static(keys, classes="keys", markup=False)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)

    def action_close(self) -> None:
        self.dismiss(False)


class Ask(Dialog[str]):
    """One line of text. `check` raises DdpmError for a text that cannot be used: it is shown while one types."""

    BINDINGS = bindings("dialog", only=["dialog.close"])

    def __init__(
        self,
        question: str,
        value: str = "",
        hint: str = "",
        check: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__()
        self._question, self._value, self._hint, self._check = question, value, hint, check

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self._question, classes="question", markup=False)
            yield TextLine(self._value)
            yield Static(self._hint, classes="hint", id="hint", markup=False)
            keys = self.keys_line(("enter", "do it"), ("dialog.close", "back"))
            yield Static(keys, classes="keys", markup=False)

    def _problem(self, value: str) -> str:
        try:
            if self._check is not None:
                self._check(value)
        except DdpmError as error:
            return str(error)
        return ""

    def on_input_changed(self, event: Input.Changed) -> None:
        problem = self._problem(event.value) if event.value else ""
        hint = self.query_one("#hint", Static)
        hint.update(problem or self._hint)
        hint.set_class(bool(problem), "bad")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        problem = self._problem(event.value)
        if problem:
            self.refused(problem)
        else:
            self.submit(event.value)

    def refused(self, why: str) -> None:
        hint = self.query_one("#hint", Static)
        hint.update(why)
        hint.add_class("bad")
