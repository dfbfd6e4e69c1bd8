"""Pictures of the screens from a real home: DDPM_HOME=… python docs/screens/make.py

Run `ddpm-tui demo` first, branch the run, train the branch and draw from it; the pages show built-in faces only.
Writes one PNG a screen beside this file, cell by cell: blocks and braille as pixels, letters in DejaVu Sans Mono
(Debian: fonts-dejavu-core).
"""

import asyncio
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.segment import Segment
from rich.terminal_theme import MONOKAI

from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.app import DdpmApp
from ddpm_tui.tui.state.store import LiveStore
from engine.base.home import Home
from engine.client.asynchronous import AsyncClient

SIZE = (130, 38)
SCREENS = {
    "1": "dashboard",
    "2": "queue",
    "3": "checkpoints",
    "4": "gallery",
    "5": "profiles",
    "6": "compare",
    "7": "data",
}
WIDTH, HEIGHT = 8, 16
DOTS = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
GROUND, INK = (16, 20, 24), (220, 220, 220)

RGB = tuple[int, int, int]


def rgb(color: Color | None, default: RGB) -> RGB:
    return tuple(color.get_truecolor(MONOKAI)) if color and not color.is_default else default  # type: ignore[return-value]


def draw_cell(
    pen: ImageDraw.ImageDraw, x: int, y: int, char: str, ink: RGB, font: ImageFont.FreeTypeFont
) -> None:
    code = ord(char)
    if 0x2800 <= code <= 0x28FF:
        for bit, (column, row) in enumerate(DOTS):
            if code - 0x2800 >> bit & 1:
                left, top = x + 1 + 4 * column, y + 1 + 4 * row
                pen.rectangle([left, top, left + 1, top + 1], fill=ink)
    elif char == "▀":
        pen.rectangle([x, y, x + WIDTH - 1, y + HEIGHT // 2 - 1], fill=ink)
    elif 0x2588 <= code <= 0x258F:
        pen.rectangle([x, y, x + WIDTH * (0x2590 - code) // 8 - 1, y + HEIGHT - 1], fill=ink)
    elif char.strip():
        pen.text((x, y), char, fill=ink, font=font)


def draw(lines: list[list[Segment]]) -> Image.Image:
    """Rows of segments, as the screen has them, to a picture."""
    image = Image.new("RGB", (SIZE[0] * WIDTH, len(lines) * HEIGHT), GROUND)
    pen = ImageDraw.Draw(image)
    font = ImageFont.truetype("DejaVuSansMono.ttf", 13)
    for row, line in enumerate(lines):
        column = 0
        for segment in line:
            style = segment.style
            ink, ground = rgb(style and style.color, INK), rgb(style and style.bgcolor, GROUND)
            if style and style.reverse:
                ink, ground = ground, ink
            for char in segment.text:
                x, y = column * WIDTH, row * HEIGHT
                pen.rectangle([x, y, x + WIDTH - 1, y + HEIGHT - 1], fill=ground)
                draw_cell(pen, x, y, char, ink, font)
                column += 1
    return image


async def main() -> None:
    home = Home.find()
    store = LiveStore(home, AsyncClient(home))
    app = DdpmApp(home, store, terminal=Terminal(Depth.TRUECOLOR, unicode=True, braille=True, tty=True))
    app.set_reactive(DdpmApp.snapshot, store.first())
    async with app.run_test(size=SIZE) as pilot:
        for key, name in SCREENS.items():
            await pilot.press(key)
            await pilot.pause(3.0)  # pictures are read in threads
            for _ in range(60):  # what a profile costs takes a torch
                strips = app.screen._compositor.render_strips()
                if not any("counting …" in segment.text for strip in strips for segment in strip):
                    break
                await pilot.pause(1.0)
            path = Path(__file__).with_name(f"{name}.png")
            draw([list(strip) for strip in strips]).save(path, optimize=True)
            print(path)


if __name__ == "__main__":
    asyncio.run(main())
