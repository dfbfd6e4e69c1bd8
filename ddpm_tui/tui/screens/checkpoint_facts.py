"""Facts about the checkpoint under the cursor, in words: on a large terminal all of them, with its scores."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from ddpm_tui.tui.screens.checkpoint_dialogs import scores_of
from ddpm_tui.tui.screens.checkpoint_rows import about_lines, full_lines
from ddpm_tui.tui.state.snapshot import RunView, Snapshot
from ddpm_tui.tui.widgets.sheet import Sheet
from engine.base.folders import RunFolder

if TYPE_CHECKING:
    from ddpm_tui.tui.screens.base import BaseScreen
    from engine.runs.checkpoints import CheckpointInfo


class CheckpointFacts(Sheet):
    """`tell` sets the checkpoint; `look`, with every Snapshot, reads its scores again if there may be new ones."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self._run: RunView | None = None
        self._info: CheckpointInfo | None = None
        self._marks: list[str] = []
        self._scores: list[tuple[str, str]] = []
        self._scored: tuple[str, int, tuple[str, ...]] | None = None
        """Of which run and step they are, and after which evaluations."""

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    @property
    def _roomy(self) -> bool:
        """Return whether all facts about a checkpoint have room beside the list."""
        return self.screen.has_class("-large", "-tall")

    def tell(self, run: RunView | None, info: "CheckpointInfo | None", marks: Sequence[str]) -> None:
        """Take the checkpoint to describe. marks: the marked ones, RUN@STEP each."""
        self._run, self._info, self._marks = run, info, list(marks)
        self.look(self._screen.snapshot)
        self._write()

    def look(self, snapshot: Snapshot) -> None:
        """Read the scores if they are shown and may have changed."""
        if not self._roomy or self._run is None or self._info is None:
            return
        ended = tuple(j.id for j in snapshot.over if j.job.kind == "evaluate")
        wanted = (self._run.name, self._info.step, ended)
        if wanted != self._scored:
            if self._scored is None or wanted[:2] != self._scored[:2]:
                self._scores = []
            self._scored = wanted
            self._screen.beside(partial(self._read, wanted), "scores")

    async def _read(self, wanted: tuple[str, int, tuple[str, ...]]) -> None:
        folder = RunFolder(self._screen.ddpm.home.runs / wanted[0])
        found = await asyncio.to_thread(scores_of, folder, wanted[1])
        if wanted == self._scored and found != self._scores:
            self._scores = found
            self._write()

    def _write(self) -> None:
        run, info, marks, scores = self._run, self._info, self._marks, self._scores
        if self._roomy and run is not None and info is not None:
            self.show(lambda width: full_lines(run, info, marks, scores, width))
        else:
            self.show(lambda width: about_lines(run, info, marks, width))
