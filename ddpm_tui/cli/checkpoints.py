"""`ddpm-tui checkpoints`: list, show, verify, tag, prune, delete, restore and export checkpoints."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import (
    confirm,
    each,
    home,
    json_option,
    note,
    print_facts,
    print_json,
    print_table,
    resolved,
    say,
    yes_option,
)
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.cli.numbers import MOST, Whole
from ddpm_tui.words import number, plural, size
from engine.base.home import ExportPlace, given_path, is_export
from engine.config.names import Weights

if TYPE_CHECKING:
    from engine.runs.checkpoints import CheckpointInfo


@click.group(cls=NounGroup)
def checkpoints() -> None:
    """Checkpoints of runs. RUN@WHICH names one: a step, eN (end of epoch N), a tag, latest or best."""


def _wire(info: Any) -> dict[str, Any]:
    facts = {"step": info.step, "tags": list(info.tags), "best": info.best, "bytes": info.size}
    return facts | (asdict(info.manifest) if info.manifest else {"problem": info.problem})


@checkpoints.command("list")
@click.argument("run", shell_complete=complete.runs)
@json_option
def list_(run: str, as_json: bool) -> None:
    """List a run's checkpoints, oldest first."""
    from engine.runs.checkpoints import list_checkpoints
    from engine.runs.record import find_run

    found = list_checkpoints(find_run(home(), run))
    if as_json:
        print_json([_wire(info) for info in found])
        return
    if not found:
        note(f"run {run!r} has no checkpoint yet; `ddpm-tui train {run}` trains it")
        return
    rows = []
    for info in found:
        m = info.manifest
        marks = [*(["best"] if info.best else []), *info.tags]
        if m is None:
            rows.append([str(info.step), "", "", "", "", "", f"damaged: {info.problem}"])
            continue
        marks += ["chunk"] if m.chunk_end else []
        rows.append(
            [
                str(info.step),
                f"{round(m.epochs_seen, 2):g}",
                number(m.train_loss),
                number(m.val_loss),
                number(m.eps_error),
                size(info.size),
                ", ".join(marks),
            ]
        )
    print_table(
        ["STEP", "EPOCH", "TRAIN", "HELD OUT", "EPS ERROR", "SIZE", ""],
        rows,
        right={"STEP", "EPOCH", "TRAIN", "HELD OUT", "EPS ERROR", "SIZE"},
    )


@checkpoints.command()
@click.argument("reference", metavar="RUN@WHICH|DIR", shell_complete=complete.trained)
@json_option
def show(reference: str, as_json: bool) -> None:
    """Show the contents and the scores of one checkpoint, of a run or in an exported folder."""
    from engine.runs.evaluations import scores_at

    if is_export(reference):
        _show_export(reference, as_json)
        return
    run, info = resolved(reference)
    m = info.whole()
    scores = scores_at(run, info.step, complain=note)
    if as_json:
        measured = {name: asdict(score) for name, score in scores.items()}
        print_json({"run": run.name, **_wire(info), "folder": str(info.folder.path), "scores": measured})
        return
    print_facts(
        [
            ("checkpoint", f"{run.name}@{info.step}"),
            ("epoch", f"{round(m.epochs_seen, 2):g}"),
            ("pictures seen", f"{m.images:,}"),
            ("train loss", number(m.train_loss) if m.train_loss is not None else ""),
            ("held-out loss", number(m.val_loss) if m.val_loss is not None else ""),
            ("eps error", number(m.eps_error) if m.eps_error is not None else ""),
            ("tags", ", ".join([*(["best"] if info.best else []), *info.tags])),
            ("architecture", m.architecture),
            ("torch", m.torch_version),
            ("created", m.created),
            ("folder", str(info.folder.path)),
        ]
    )
    for name, entry in m.files.items():
        say(f"  {name}  {size(entry['size'])}  {entry['sha256'][:16]}…")
    if scores:
        say("")
        print_facts([(name, score.line()) for name, score in scores.items()])


def _show_export(folder: str, as_json: bool) -> None:
    from engine.runs.evaluations import scores_at
    from engine.runs.export import read_export

    export = read_export(Path(folder))
    scores = scores_at(ExportPlace(home(), export.run, export.sha256), export.step, complain=note)
    epoch = round(export.epochs, 4)
    if as_json:
        facts = {"run": export.run, "step": export.step, "epoch": epoch, "weights": export.weights}
        measured = {name: asdict(score) for name, score in scores.items()}
        print_json({**facts, "sha256": export.sha256, "folder": str(export.folder.path), "scores": measured})
        return
    print_facts(
        [
            ("checkpoint", f"{export.run}@{export.step}, exported"),
            ("epoch", f"{round(epoch, 2):g}"),
            ("weights", f"{export.weights}  {export.sha256[:16]}…"),
            ("folder", str(export.folder.path)),
        ]
    )
    if scores:
        say("")
        print_facts([(name, score.line()) for name, score in scores.items()])


@checkpoints.command()
@click.argument("reference", metavar="RUN[@WHICH]", shell_complete=complete.references)
@json_option
@click.pass_context
def verify(ctx: click.Context, reference: str, as_json: bool) -> None:
    """Read every byte of a run's checkpoints, or of one, and check it. Exit code 1 if any is damaged."""
    from engine.runs.checkpoints import is_sealed, list_checkpoints
    from engine.runs.checkpoints import verify as check
    from engine.runs.record import find_run, record_problem

    if "@" in reference:
        found = [resolved(reference)[1]]
    else:
        found = list_checkpoints(find_run(home(), reference))
    record = record_problem(find_run(home(), reference.partition("@")[0]))
    results = {info.step: check(info.folder) for info in found}
    older = [info.step for info in found if not results[info.step] and not is_sealed(info.folder)]
    if as_json:
        wrong = [{"step": None, "problem": record}] if record else []
        print_json([*wrong, *({"step": step, "problem": problem} for step, problem in results.items())])
    else:
        for step, problem in results.items():
            unsealed = " (its manifest has no digest: an older version wrote it)" if step in older else ""
            say(f"{step}: {problem or f'whole{unsealed}'}")
        if record:  # last, so that a long list does not hide it
            say(f"run.json: {record}")
    ctx.exit(int(any(results.values()) or record is not None))


@checkpoints.command()
@click.argument("reference", metavar="RUN@WHICH", shell_complete=complete.references)
@click.argument("tag", metavar="TAG")
def tag(reference: str, tag: str) -> None:
    """Give a checkpoint a tag. Tagged checkpoints are never pruned. A tag that another one has is moved."""
    from engine.runs.checkpoints import set_tag

    run, info = resolved(reference)
    set_tag(run, tag, info.step)
    say(f"{run.name}@{info.step} is now {run.name}@{tag}")


@checkpoints.command()
@click.argument("run", shell_complete=complete.runs)
@click.argument("tag", metavar="TAG")
def untag(run: str, tag: str) -> None:
    """Remove a tag."""
    from engine.runs.checkpoints import set_tag
    from engine.runs.record import find_run

    set_tag(find_run(home(), run), tag, None)
    say(f"removed the tag {tag} from {run}")


@checkpoints.command()
@click.argument(
    "references", nargs=-1, required=True, metavar="RUN@WHICH…", shell_complete=complete.references
)
def delete(references: tuple[str, ...]) -> None:
    """Move checkpoints to the trash. `checkpoints restore RUN@STEP` brings them back.

    Refused for a checkpoint that an unfinished job needs; the message names the job.
    """
    from engine.service.needed import discard_checkpoint

    def discard(found: tuple[Any, Any]) -> None:
        run, folder = found
        discard_checkpoint(home(), run, folder)
        name = f"{run.name}@{folder.step}"
        say(f"{name} is in the trash; `checkpoints restore {name}` brings it back")

    each([_folder(reference) for reference in dict.fromkeys(references)], discard)


def _folder(reference: str) -> tuple[Any, Any]:
    """Return the folder of a checkpoint. A damaged checkpoint is found by its step only."""
    from engine.runs.checkpoints import split_reference
    from engine.runs.record import find_run

    name, which = split_reference(reference)
    if which.isdecimal():
        run = find_run(home(), name)
        folder = run.checkpoint(int(which))
        if folder.path.is_dir():
            return run, folder
    run, info = resolved(reference)
    return run, info.folder


@checkpoints.command()
@click.argument("reference", metavar="RUN@STEP")
def restore(reference: str) -> None:
    """Bring a deleted checkpoint back."""
    from engine.base.trash import find_trashed
    from engine.base.trash import restore as bring_back

    say(f"{reference} is back: {bring_back(find_trashed(home(), reference, 'checkpoint'))}")


@checkpoints.command()
@click.argument("run", shell_complete=complete.runs)
@click.option(
    "--keep-last",
    type=Whole(1, MOST),
    metavar="N",
    help="Keep the N newest checkpoints. [default: training.keep_last]",
)
@click.option(
    "--keep-chunks",
    type=Whole(1, MOST),
    metavar="N",
    help="Keep the ends of the N newest chunks. [default: training.keep_chunks]",
)
@click.option("--dry-run", is_flag=True, help="Only list the checkpoints that would be removed.")
@yes_option
@json_option
def prune(
    run: str, keep_last: int | None, keep_chunks: int | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Move the checkpoints that retention would not keep to the trash.

    Kept are: the newest, the best, tagged ones, those from which a branch began, those that unfinished jobs need, the
    ends of the profile's keep_epochs, the newest --keep-chunks chunk ends, and every 2nd, 4th, … of the older chunk
    ends, so that at most as many older ones are kept.
    """
    from engine.base.files import FileLock
    from engine.base.trash import discard_checkpoint
    from engine.runs.checkpoints import list_checkpoints, prunable, thinning, whole_tags
    from engine.runs.record import branch_points, find_run, load_run
    from engine.service.needed import needed

    folder, training = find_run(home(), run), load_run(home(), run).profile.training

    def choose() -> "list[CheckpointInfo]":
        whole_tags(folder)  # if the tags cannot be read, the checkpoints to keep are unknown
        found = list_checkpoints(folder)
        kept = branch_points(home(), run) | needed(home(), run).steps_of(found)
        return prunable(
            found, training.keep_epochs, keep_last or training.keep_last, kept,
            keep_chunks or training.keep_chunks, training.chunk_epochs,
        )  # fmt: skip

    going = choose()
    total = sum(info.size for info in going)
    if going and not dry_run:
        confirm(f"move {plural(len(going), 'checkpoint')} ({size(total)}) to the trash?", yes)
        with FileLock.acquire(folder.tags_lock, *thinning(folder)):
            asked = {info.step for info in going}
            going = [info for info in choose() if info.step in asked]  # chosen again: they may have changed
            total = sum(info.size for info in going)
            for info in going:
                discard_checkpoint(home(), folder, info.folder)
    if as_json:
        print_json({"run": run, "steps": [info.step for info in going], "bytes": total, "done": not dry_run})
    elif not going:
        say("nothing to prune")
    else:
        steps = ", ".join(str(info.step) for info in going)
        said = (
            "would move to the trash" if dry_run else "in the trash; `ddpm-tui trash purge` frees the space"
        )
        say(f"{plural(len(going), 'checkpoint')} ({size(total)}) {said}: {steps}")


@checkpoints.command()
@click.argument("reference", metavar="RUN@WHICH|DIR", shell_complete=complete.trained)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="folder|safetensors|diffusers|onnx|web",
    help="May be given several times, or with commas; each then gets a folder of its name. [default: folder]",
)
@click.option("--weights", type=click.Choice(get_args(Weights)), default="ema", show_default=True)
@click.option("--half", is_flag=True, help="Store the weights as float16.")
@click.option(
    "--seeds", type=Whole(1, 10_000), default=64, show_default=True, help="Pictures that the check draws."
)
@click.option(
    "--license", "license_id", metavar="ID", default="unknown", help="For the model card. [default: unknown]"
)
@click.option(
    "--runtime",
    metavar="DIR|FILE.tgz",
    help="web: onnxruntime-web, in a node_modules folder or as `npm pack` gives it.",
)
@click.option("--push", "repo", metavar="USER/NAME", help="Upload the folder to the Hugging Face hub.")
@click.option("--public", is_flag=True, help="With --push: a new repository that everybody can see.")
@click.option("--dry-run", is_flag=True, help="With --push: export, and only list what would be uploaded.")
@json_option
def export(folder: str, as_json: bool, **options: Any) -> None:
    """Write a checkpoint for other programs, and check that it draws the same pictures there.

    \b
    folder       for this program: `ddpm-tui sample ./DIR` draws from it on any machine
    safetensors  the weights alone
    diffusers    DiffusionPipeline.from_pretrained("DIR", trust_remote_code=True)
    onnx         the network for ONNX Runtime, and a script that needs NumPy besides
    web          a page that draws in the browser, for any static server

    Each folder has a model card (README.md) and check.json, the error of the pictures over --seeds seeds.
    """
    from ddpm_tui.cli.export import export_as

    export_as(given_path(folder).absolute(), as_json=as_json, **options)
