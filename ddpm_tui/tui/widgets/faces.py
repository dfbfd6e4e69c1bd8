"""One face large, and a trajectory played: numpy uint8 pictures or files. Knows no runs and no samplers."""

from collections.abc import Sequence

from textual.reactive import reactive
from textual.timer import Timer

from ddpm_tui.draw.layout import shown_size
from ddpm_tui.draw.terminal import Terminal
from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.widgets.pictures import Picture, PictureWidget, Rows, centred, framed


class FaceView(PictureWidget):
    """One picture as large as the widget allows, in whole steps if one fits, with a caption below."""

    DEFAULT_CSS = """
    FaceView { width: 1fr; height: 1fr; }
    """

    def __init__(
        self,
        picture: Picture | None = None,
        caption: str = "",
        *,
        empty: str = "no picture yet",
        terminal: Terminal | None = None,
        low_colours: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(terminal=terminal, low_colours=low_colours, name=name, id=id, classes=classes)
        self.picture = picture
        self.caption = caption
        self.empty = empty

    def show(self, picture: Picture | None, caption: str = "") -> None:
        """Show another picture; None for none. A file that is still to be read leaves the old picture up until then."""
        self.picture, self.caption = picture, caption
        if picture is not None:
            self.want([picture])
            if self.pixels_of(picture) is None and self.rows:
                return
        self.repaint()

    def on_mount(self) -> None:
        if self.picture is not None:
            self.want([self.picture])

    def build_rows(self, width: int, height: int) -> Rows:
        room = height - 1 if self.caption and height > 2 else height
        if self.picture is None:
            return self.notice(self.empty, width, height)
        found = self.pixels_of(self.picture)
        if found is None or isinstance(found, str):
            rows = self.tile(self.picture, width, 2 * room)
            wide = width
        else:
            wide, tall = shown_size((found.shape[1], found.shape[0]), width, room)
            rows = self.tile(self.picture, wide, tall)
        out = framed(rows, wide, width, room)
        return [*out, centred(self.caption, width, self.muted())] if room < height else out


class TrajectoryPlayer(FaceView, can_focus=True):
    """A sequence of pictures, scrubbed by key or played: the denoising of one face, or its learning.

    Plays to the end and stops there; playing again from the end starts over.
    """

    BINDINGS = bindings("player")

    frame: reactive[int] = reactive(0, layout=False, repaint=False)

    def __init__(
        self,
        *,
        fps: float = 8.0,
        empty: str = "no trajectory was stored",
        terminal: Terminal | None = None,
        low_colours: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(
            empty=empty, terminal=terminal, low_colours=low_colours, name=name, id=id, classes=classes
        )
        self.fps = fps
        self.frames: Sequence[Picture] = ()
        self.labels: Sequence[str] = ()
        self._ticker: Timer | None = None

    @property
    def playing(self) -> bool:
        return self._ticker is not None

    def show_frames(
        self, frames: Sequence[Picture], labels: Sequence[str] = (), at: int | None = None
    ) -> None:
        """Show a new sequence at frame `at` (the last by default), not playing. `labels`: one a frame."""
        self.pause()
        self.frames, self.labels = frames, labels
        self.want(frames)
        self.set_reactive(TrajectoryPlayer.frame, 0)
        self.frame = self._inside(len(frames) - 1 if at is None else at)
        self._show_frame()

    def play(self) -> None:
        """Play on from here, or from the start if this is the end."""
        if self.playing or len(self.frames) < 2:
            return
        if self.frame >= len(self.frames) - 1:
            self.frame = 0
        self._ticker = self.set_interval(1.0 / self.fps, self._tick)

    def pause(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None
            self._show_frame()

    def action_play(self) -> None:
        if self.playing:
            self.pause()
        else:
            self.play()
            self._show_frame()

    def action_scrub(self, frames: int) -> None:
        self.pause()
        self.frame = self._inside(self.frame + frames)

    def watch_frame(self) -> None:
        self._show_frame()

    def _tick(self) -> None:
        if self.frame + 1 >= len(self.frames):
            self.pause()
            return
        self.frame += 1

    def _inside(self, frame: int) -> int:
        return max(0, min(frame, len(self.frames) - 1))

    def _show_frame(self) -> None:
        if not self.frames:
            self.show(None)
            return
        label = self.labels[self.frame] if self.frame < len(self.labels) else ""
        sign = (" ▶" if self.unicode else " >") if self.playing else ""
        counted = f"{self.frame + 1}/{len(self.frames)}"
        self.show(self.frames[self.frame], f"{label}  {counted}{sign}" if label else f"{counted}{sign}")
