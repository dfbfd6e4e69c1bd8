"""A text line, limited in length to the longest text that is needed here. Knows nothing of its purpose."""

from textual import events
from textual.message import Message
from textual.widgets import Input

LONGEST = 1000
"""Characters. Names, paths and changes are shorter; what is pasted by mistake is not."""


class TextLine(Input):
    """An Input of one line without borders and without a blinking cursor, which costs bytes."""

    def __init__(self, value: str = "", *, id: str | None = None, placeholder: str = "") -> None:
        super().__init__(value, placeholder=placeholder, id=id, compact=True, max_length=LONGEST)
        self.cursor_blink = False

    def on_paste(self, event: events.Paste) -> None:
        """Insert the first line with text in it, without control characters; all of it or, too long, nothing."""
        event.stop()
        event.prevent_default()
        line = next((line for line in event.text.splitlines() if line.strip()), "")
        words = "".join(c for c in line.replace("\t", " ") if c.isprintable())
        if len(words) + len(self.value) - len(self.selected_text) > LONGEST:
            self.post_message(self.TooLong(self, len(words)))
        elif words:
            self.replace(words, *self.selection)

    class TooLong(Message):
        """The pasted text was longer than the line allows, so nothing was inserted."""

        def __init__(self, line: "TextLine", length: int) -> None:
            super().__init__()
            self.line = line
            self.length = length
