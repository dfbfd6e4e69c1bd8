"""An editing job: a sweep, a morph, a hole filled or variations, kept as a sample set of the run."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from engine.base.errors import UserError
from engine.base.files import unwritable
from engine.base.text import plural
from engine.base.typed import AtLeast, typed
from engine.config.sampling_settings import Settings, asked_words, check_outputs
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, Result
from engine.runs.guides import find_guided
from engine.runs.trained import find_trained
from engine.sampling import editing
from engine.sampling.drawing import Drawn, batch_that_fits
from engine.sampling.editing import Edited
from engine.sampling.job import facts, hand_out, store
from engine.sampling.load import Loaded, free_memory, load
from engine.sampling.outputs import Amounts, check_disks, check_memory, check_places
from engine.sampling.sheets import save_gif


@dataclass(frozen=True)
class Edit:
    """What an editing job's args have as `edit`.

    what: the kind · name: of a sweep, the attribute · positions: of a sweep or a morph · seeds: of a morph, the two ·
    pictures: files, two of a morph, else one · strength: of variations · mask, box: of a hole, a file or x, y, width
    and height · repeats: of each step of filling · gif: a file for the moving form.
    """

    what: Literal["sweep", "morph", "inpaint", "vary"]
    name: str | None = None
    positions: Annotated[int, AtLeast(2)] = 9
    seeds: tuple[int, ...] = ()
    pictures: tuple[str, ...] = ()
    strength: float = 0.5
    mask: str | None = None
    box: tuple[int, ...] = ()
    repeats: Annotated[int, AtLeast(1)] = 5
    gif: str | None = None


def run_editing(work: Work) -> Result:
    """Do what args.edit says; the other args are those of a sampling job. Raises UserError, DamagedError."""
    args = work.spec.args
    edit = typed(Edit, args["edit"], "the edit")
    trained = find_trained(work.home, args["checkpoint"])
    each = int(args.get("n") or 1)
    section = trained.profile.labels
    asked = args.get("labels") or []
    if len(asked) > 1:
        raise UserError("an edit is of one group of labels", "leave --group out, or give one")
    if edit.what == "sweep":
        asked = editing.sweep_labels(section, asked[0] if asked else "", str(edit.name), edit.positions)
    settings, guide = find_guided(work.home, trained, {**args, "labels": asked})
    count = _count(edit, each)
    check_outputs(args)
    amounts = Amounts(count, trained.profile.data.size, 0, 0)
    check_memory(amounts, args)
    check_places(args, work.spec.id)
    check_disks(trained.place.samples.parent, amounts, args)
    work.report("starting", text="loading the checkpoint")
    loaded = load(trained, settings, work.device(trained.profile.training.device), guide)
    work.say(
        f"{edit.what} from {trained.name}: {asked_words(settings)}{settings.sampler}, seed {settings.seed}"
    )
    started = time.monotonic()

    def report(done: int, total: int) -> None:
        work.raise_if_stopping()
        share = done / max(1, total)
        work.report(
            "sampling", int(share * count), count, "pictures", text=edit.what,
            eta_s=(time.monotonic() - started) * (1 - share) / share if share else None, device=loaded.plan.device,
        )  # fmt: skip

    edited = _edited(edit, loaded, settings, each, args, report)
    seconds = time.monotonic() - started
    work.report("writing", count, count, "pictures")
    record = {
        **facts(trained, loaded, settings, count, guide),
        "edit": {**args["edit"], "columns": edited.columns},
        "seconds": round(seconds, 3),
        "job": work.spec.id,
    }
    drawn = [Drawn(range(count), edited.pictures, None)]
    folder = store(trained.place.samples, work.spec.id, drawn, record)
    written = hand_out(folder, drawn, args, record)
    if edit.gif:
        _write_gif(Path(edit.gif), edited)
        written.append(edit.gif)
    message = f"{plural(count, 'picture')} in {seconds:.1f} s: {folder.path}"
    work.say(message)
    return Result(
        "done", EXIT_DONE, message, None, work.spec.run, trained.step, record["epoch"], trained.step, folder.path.name,
        extra={"folder": str(folder.path), "grid": str(folder.grid), "files": written, "seconds": seconds},
    )  # fmt: skip


def _count(edit: Edit, each: int) -> int:
    if edit.what == "sweep":
        return each * edit.positions
    return edit.positions if edit.what == "morph" else each


def _edited(
    edit: Edit,
    loaded: Loaded,
    settings: Settings,
    each: int,
    args: dict[str, object],
    report: editing.Report,
) -> Edited:
    data = loaded.profile.data
    pictures = [editing.read_picture(Path(path), data.recipe, data.size) for path in edit.pictures]
    if edit.what == "sweep":
        memory = free_memory(loaded)
        batch = int(
            str(args.get("batch") or batch_that_fits(loaded.profile, loaded.plan, memory, settings.guided))
        )
        return editing.sweep(loaded, settings, each, batch, report)
    if edit.what == "morph":
        if len(pictures) == 2:
            return editing.morph_pictures(
                loaded, settings, (pictures[0], pictures[1]), edit.positions, report
            )
        if len(edit.seeds) != 2 or pictures:
            raise UserError(
                "a morph goes between two seeds or two pictures", "give --seeds A,B or two pictures"
            )
        return editing.morph_seeds(loaded, settings, (edit.seeds[0], edit.seeds[1]), edit.positions, report)
    if len(pictures) != 1:
        raise UserError(f"{edit.what} needs one picture")
    if edit.what == "vary":
        return editing.vary(loaded, settings, pictures[0], edit.strength, each, report)
    if len(edit.box) == 4:
        x, y, width, height = edit.box
        mask = editing.box_mask((x, y, width, height), data.size)
    elif edit.mask:
        mask = editing.read_mask(Path(edit.mask), data.size)
    else:
        raise UserError("what is to be drawn anew?", "give --mask FILE.png or --box X,Y,WIDTH,HEIGHT")
    return editing.fill(loaded, settings, pictures[0], mask, edit.repeats, each, report)


def _write_gif(path: Path, edited: Edited) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_gif(path, editing.gif_frames(edited))
    except OSError as error:
        raise unwritable(path, error, "the set itself is whole") from None
