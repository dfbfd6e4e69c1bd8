"""A page of the gallery through its denoising: all faces that were kept, at one moment, with a slider below them."""

from typing import TYPE_CHECKING, Any, cast

from textual.containers import Container
from textual.timer import Timer
from textual.widgets import Static

from ddpm_tui.tui.screens.run_faces import slider
from engine.base.errors import UserError

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp
    from ddpm_tui.tui.state.samples import Pictures

PAGES_A_SECOND = 4.0
PAGE_BYTES = 40_000
"""What a page of faces costs, about, at another moment."""


class GalleryPage(Container):
    """Subclasses fill `_widgets` and `_pictures`."""

    def __init__(self) -> None:
        super().__init__(id="view")
        self.mode = "note"
        self._pictures: Pictures | None = None
        self._widgets: dict[str, Any] = {}
        self._face = 0
        self._moment: int | None = None
        """The frame of the trajectory that the page shows; None for the finished faces."""
        self._predicted = False
        self._ticker: Timer | None = None

    @property
    def plays(self) -> bool:
        """Return whether the denoising of a shown face was kept."""
        return (
            self.mode in ("grid", "large")
            and self._pictures is not None
            and self._pictures.trajectory is not None
        )

    @property
    def _last_moment(self) -> int:
        trajectory = self._pictures.trajectory if self._pictures else None
        return 0 if trajectory is None else trajectory.shape[0] - 1

    @property
    def predicts(self) -> bool:
        """Return whether the network's predictions of the finished faces were kept."""
        return self.plays and self._pictures is not None and self._pictures.predicted is not None

    def _play_page(self) -> None:
        if self._ticker is not None:
            self._rest()
            return
        at = self._moment
        self._page_at(0 if at is None or at >= self._last_moment else at)
        self._ticker = self.set_interval(1 / PAGES_A_SECOND, self._tick)
        self._say_moment()

    def _rest(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None
            self._say_moment()

    def _tick(self) -> None:
        at = self._moment or 0
        if at >= self._last_moment:
            self._rest()
        elif cast("DdpmApp", self.app).may_write(PAGE_BYTES):
            self._page_at(at + 1)
        else:  # a slow link shows fewer frames, but always the last one
            self._page_at(min(self._last_moment, at + 4))

    def _page_at(self, moment: int) -> None:
        """Show all faces of the page as they were at a frame; those that were not kept as they are."""
        pictures = self._pictures
        if pictures is None or pictures.trajectory is None:
            return
        self._moment = moment
        kept = (
            pictures.predicted if self._predicted and pictures.predicted is not None else pictures.trajectory
        )
        page = list(pictures.pictures)
        page[: kept.shape[1]] = list(kept[moment])
        self._widgets["grid"].change(page)
        self._say_moment()

    def predicted(self) -> None:
        """Show the network's predictions of the finished faces, or the noisy faces. Raises UserError."""
        if not self.predicts:
            raise UserError(
                "what the network predicted was not kept", "newer sets keep it with the trajectory"
            )
        self._predicted = not self._predicted
        if self.mode == "large" and self._pictures is not None:
            player = self._widgets["player"]
            player.show_frames(
                self._pictures.frames(self._face, self._predicted), player.labels, player.frame
            )
        else:
            self._page_at(self._last_moment if self._moment is None else self._moment)
        self._say_moment()

    def _say_moment(self) -> None:
        """Show the slider below the page."""
        line = self.query_one("#moment", Static)
        shown = self.mode == "grid" and self.plays
        line.display = shown
        if shown:
            last = self._last_moment
            at = last if self._moment is None else self._moment
            of = "predicted faces" if self._predicted else "as they are"
            sign = "▶" if self._ticker is not None else " "
            line.update(
                f" {sign} noise {slider(at, last + 1, max(6, min(24, self.size.width - 38)))} face  {at}/{last}  {of}"
            )
