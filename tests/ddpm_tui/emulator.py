"""A terminal small enough to trust: it understands what our frames are written with, and keeps the cells."""

import re
import unicodedata

_TOKEN = re.compile(
    r"\x1b\[([?>=<]?)([\d;:]*)([ -/]*)([@-~])"  # CSI
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_].*?\x1b\\|\x1b[ -/]*[0-~]"  # strings, short escapes
    r"|([\x00-\x1f\x7f])|([^\x00-\x1f\x7f\x1b]+)",
    re.DOTALL,
)


class Terminal:
    """Cells as (character, SGR parameters). `modes`: the private modes that are on, such as 1049 and 1003."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.cells = [[(" ", "")] * width for _ in range(height)]
        self.x = self.y = 0
        self.pen: dict[str, str] = {}
        self.modes: set[int] = set()
        self.rest = ""

    def feed(self, text: str) -> None:
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                self.rest = text[at:]
                return
            # The end of the text may be the middle of an escape.
            if match.end() == len(text) and text[at] == "\x1b" and match[4] is None and len(text) - at < 16:
                self.rest = text[at:]
                return
            at = match.end()
            mark, parameters, _, final, control, words = match.groups()
            if words:
                self._write(words)
            elif control == "\n":
                self.y = min(self.height - 1, self.y + 1)
                self.x = 0
            elif control == "\r":
                self.x = 0
            elif final:
                self._escape(mark, parameters, final)

    def _write(self, words: str) -> None:
        for character in words:
            if unicodedata.combining(character):
                continue
            wide = 2 if unicodedata.east_asian_width(character) in "WF" else 1
            if self.x + wide <= self.width:
                look = ";".join(v for _, v in sorted(self.pen.items()) if v)
                self.cells[self.y][self.x] = (character, look)
                if wide == 2:
                    self.cells[self.y][self.x + 1] = ("", look)
            self.x += wide

    def _escape(self, mark: str, parameters: str, final: str) -> None:
        numbers = [int(n) if n else 0 for n in re.split("[;:]", parameters)] if parameters else []
        if mark == "?" and final in "hl":
            for number in numbers:
                (self.modes.add if final == "h" else self.modes.discard)(number)
        elif mark:
            return
        elif final == "H":
            row, column = ([*numbers, 1, 1] if numbers else [1, 1])[:2]
            self.y = min(self.height, max(1, row)) - 1
            self.x = max(1, column) - 1
        elif final == "C":
            self.x += max(1, numbers[0] if numbers else 1)
        elif final == "J":
            self.cells = [[(" ", "")] * self.width for _ in range(self.height)]
        elif final == "m":
            self._colour(numbers or [0])

    def _colour(self, numbers: list[int]) -> None:
        while numbers:
            n = numbers.pop(0)
            if n == 0:
                self.pen = {}
            elif n in (38, 48):
                count = 4 if numbers[0] == 2 else 2
                words, numbers = numbers[: count if count == 4 else 2], numbers[count if count == 4 else 2 :]
                self.pen["fg" if n == 38 else "bg"] = ";".join(map(str, [n, *words]))
            elif n in (39, 49):
                self.pen.pop("fg" if n == 39 else "bg", None)
            elif 30 <= n <= 37 or 90 <= n <= 97:
                self.pen["fg"] = str(n)
            elif 40 <= n <= 47 or 100 <= n <= 107:
                self.pen["bg"] = str(n)
            else:
                self.pen[f"a{n}"] = str(n)

    def lines(self) -> list[str]:
        return ["".join(c for c, _ in row).rstrip() for row in self.cells]

    def text(self) -> str:
        return "\n".join(self.lines())
