"""The form that asks for the measures of a checkpoint, and says how long they will take before anything is
queued."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.forms import Field, Form, choice_field, priority_field, with_turn
from ddpm_tui.tui.state.snapshot import RunView
from ddpm_tui.tui.widgets.rows import Piece
from ddpm_tui.tui.widgets.table import Column, Row, Table
from engine.base.errors import UserError
from engine.config.names import Weights
from engine.diffusion.samplers import SAMPLERS
from engine.runs.measures import MEASURES, PLAIN_MEASURES, SAMPLED
from engine.service.states import Priority

if TYPE_CHECKING:
    from ddpm_tui.tui.state.scoring import KnownTimes

OFFERED = {name: measure for name, measure in MEASURES.items() if measure.extractor != "file"}
"""A form asks for no file."""
COLUMNS = (Column("", 20), Column("", 7), Column("", 30, grow=1))


class EvaluateForm(Form):
    """Measures are put in and out one by one. Answers with the args of an evaluate job, but for its
    checkpoint, and its priority."""

    BINDINGS = [*bindings("dialog"), *bindings("measures")]
    FINDS = False

    def __init__(self, run: RunView, step: int) -> None:
        from engine.runs.evaluations import DEFAULT_COUNT

        super().__init__(PLAIN_MEASURES[0])
        self.QUESTION = f"Score {run.name}@{step}"
        self.FIELDS = (
            Field("n", "pictures", str(DEFAULT_COUNT)),
            Field("steps", "steps", str(run.setting("sampling", "steps", ""))),
            choice_field("sampler", str(run.setting("sampling", "sampler", "")), tuple(SAMPLERS)),
            choice_field("weights", str(run.setting("sampling", "weights", "ema")), get_args(Weights)),
            Field("seed", "seed", "0", "number"),
            priority_field(Priority.HIGH),
        )
        self._run = run
        self._wanted = set(PLAIN_MEASURES)
        self._known: KnownTimes | None = None

    async def on_mount(self) -> None:
        self.query_one(Table).columns = COLUMNS
        await super().on_mount()

    def keys_said(self) -> list[tuple[str, str]]:
        return [("measures.toggle", "in or out"), *super().keys_said()]

    async def options(self) -> Sequence[Row]:
        return self._rows()

    def _rows(self) -> list[Row]:
        rows = []
        for name, measure in OFFERED.items():
            sign = "■" if name in self._wanted else "□"
            cells: tuple[Piece, ...] = (
                f"{sign} {name.replace('_', ' ')}",
                ("samples", "accent") if measure.sampled else ("network", "dim"),
                (measure.words, "dim"),
            )
            rows.append(Row(name, cells))
        return rows

    def action_in_or_out(self) -> None:
        """Put the measure under the cursor in or out."""
        table = self.query_one(Table)
        if table.key is not None:
            self._wanted ^= {table.key}
            table.show(self._rows())
            self._look()

    def values(self) -> dict[str, Any]:
        """Return the args. Raises UserError if the checkpoint cannot be scored so."""
        from engine.runs.evaluations import check_measures

        found = super().values()
        measures = check_measures([name for name in OFFERED if name in self._wanted], None)
        if found.get("n", 2) < 2:
            raise UserError("pictures: scoring needs at least 2")
        if not any(name in SAMPLED for name in measures):
            found = {key: found[key] for key in ("n", "weights", "seed", "priority") if key in found}
        most = self._run.setting("diffusion", "steps")
        if most is not None and found.get("steps", 1) > most:
            raise UserError(f"steps: {found['steps']} is more than the run's {most} diffusion steps")
        return {"measures": list(measures), **found}

    async def preview(self, chosen: str, values: dict[str, Any]) -> str:
        from ddpm_tui.tui.state.scoring import estimate, known_times

        if self._known is None:
            self._known = await asyncio.to_thread(known_times, self.ddpm.home.run(self._run.name))
        n = int(values.get("n", self.FIELDS[0].value))
        steps = int(values.get("steps") or self._run.setting("sampling", "steps", 0))
        count = len(values["measures"])
        what = f"{count} measure{'s' * (count != 1)} of {n:,} pictures: "
        says = what + estimate(self._known, values["measures"], n, steps)
        return with_turn(says, values, Priority.HIGH)

    def answer(self, chosen: str) -> dict[str, Any]:
        return self.values()
