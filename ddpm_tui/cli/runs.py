"""`ddpm-tui runs`: list, show, compare, branch, rename, delete and restore runs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import (
    each,
    home,
    json_option,
    note,
    print_facts,
    print_json,
    print_table,
    resolved,
    say,
    say_text,
    set_option,
)
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.words import number, plural, size
from engine.base.errors import DdpmError, UsageError

MOST_SHOWN = 30
MOST_COMPARED = 15
"""The most epochs in a table."""

if TYPE_CHECKING:
    from engine.base.folders import RunFolder
    from engine.runs.evaluations import Score


@click.group(cls=NounGroup)
def runs() -> None:
    """Runs: a frozen profile with its checkpoints, curves and samples. Each is a folder."""


def _facts(name: str) -> dict[str, Any]:
    """Return what a list shows of one run; for a damaged run, the problem."""
    from engine.base.files import is_locked
    from engine.runs.checkpoints import list_checkpoints
    from engine.runs.record import read_record

    folder = home().run(name)
    facts: dict[str, Any] = {"run": name, "training": is_locked(folder.lock)}
    try:
        record = read_record(folder)
    except DdpmError as error:
        return {**facts, "problem": str(error)}
    found = list_checkpoints(folder)
    whole = [c.manifest for c in found if c.manifest]
    newest = whole[-1] if whole else None
    best = next((c for c in found if c.best), None)
    return {
        **facts,
        "profile": record.profile_name,
        "created": record.created,
        "parent": f"{record.lineage.parent}@{record.lineage.step}" if record.lineage else None,
        "changes": list(record.lineage.changes) if record.lineage else [],
        "epochs": record.planned_epochs,
        "epoch": newest.epochs_seen if newest else 0.0,
        "step": newest.step if newest else 0,
        "images": newest.images if newest else 0,
        "checkpoints": len(found),
        "damaged": sum(c.manifest is None for c in found),
        "bytes": sum(c.size for c in found),
        "best": best.step if best else None,
        "eps_error": best.manifest.eps_error if best and best.manifest else None,
        "device": record.frozen.get("plan", {}).get("device_name"),
    }


@runs.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all runs, the most recently changed one last."""
    from engine.runs.record import misnamed_runs, run_names

    for line in misnamed_runs(home()):
        note(f"warning: {line}")
    found = [_facts(name) for name in run_names(home())]
    if as_json:
        print_json(found)
        return
    if not found:
        note(
            "no runs yet; `ddpm-tui demo` trains one in minutes, `ddpm-tui train PROFILE` one of your choice"
        )
        return
    columns = ["RUN", "PROFILE", "EPOCH", "KEPT", "SIZE", "BEST", "FROM", ""]
    rows = [
        [r["run"], "", "", "", "", "", "", r["problem"]]
        if "problem" in r
        else [
            r["run"],
            r["profile"],
            f"{round(r['epoch'], 2):g}/{r['epochs']}",
            str(r["checkpoints"]) + (f" ({r['damaged']} damaged)" if r["damaged"] else ""),
            size(r["bytes"]),
            f"{number(r['eps_error'])} @{r['best']}" if r["best"] is not None else "–",
            r["parent"] or "",
            "training" if r["training"] else "",
        ]
        for r in found
    ]
    # A column without values would take space from the names.
    shown = [i for i, name in enumerate(columns) if name not in ("FROM", "") or any(row[i] for row in rows)]
    print_table(
        [columns[i] for i in shown], [[row[i] for i in shown] for row in rows], right={"EPOCH", "SIZE"}
    )


@runs.command()
@click.argument("run", shell_complete=complete.runs)
@json_option
def show(run: str, as_json: bool) -> None:
    """Show one run: its profile, lineage, device settings, epochs, and the newest scores of each measure."""
    from engine.runs.metrics import read_metrics
    from engine.runs.record import find_run, load_run

    record = load_run(home(), run)
    folder = find_run(home(), run)
    facts = _facts(run)
    metrics = read_metrics(folder.metrics)
    epochs = [
        dict(zip(metrics.epochs, row, strict=True)) for row in zip(*metrics.epochs.values(), strict=True)
    ]
    scores = _newest_scores(folder)
    if as_json:
        print_json(
            {
                **facts, "folder": str(folder.path), "record": record.to_json(), "history": epochs,
                "scores": [{"checkpoint": step, **asdict(score)} for step, score in scores],
            }
        )  # fmt: skip
        return
    print_facts(
        [
            ("run", run),
            ("profile", record.profile_name),
            ("created", record.created),
            ("branched from", facts["parent"] or ""),
            ("changes", ", ".join(facts["changes"])),
            ("epoch", f"{round(facts['epoch'], 2):g} of {facts['epochs']}, step {facts['step']:,}"),
            ("pictures seen", f"{facts['images']:,}"),
            ("checkpoints", f"{plural(facts['checkpoints'], 'checkpoint')}, {size(facts['bytes'])}"),
            ("device", str(facts["device"] or "not started yet")),
            ("decided", ", ".join(record.frozen.get("plan", {}).get("reasons", []))),
            ("folder", str(folder.path)),
        ]
    )
    if metrics.corrupt_lines:
        note(f"{plural(metrics.corrupt_lines, 'line')} of {folder.metrics} cannot be read and are left out")
    if epochs:
        say("")
        start = record.lineage.step if record.lineage else -1
        print_table(
            ["EPOCH", "STEP", "TRAIN", "HELD OUT", "EPS ERROR", "LR", ""],
            [
                [
                    f"{e['epoch']:g}",
                    f"{e['step']:,.0f}",
                    number(e["train_loss"]),
                    number(e["val_loss"]),
                    number(e["eps_error"]),
                    f"{e['lr']:.2g}",
                    "of its parent" if e["step"] <= start else "",
                ]
                for e in _thinned(epochs, MOST_SHOWN)
            ],
            right={"EPOCH", "STEP", "TRAIN", "HELD OUT", "EPS ERROR", "LR"},
        )
        _say_thinned(len(epochs), MOST_SHOWN)
    if scores:
        say("")
        print_facts([(f"{score.name} @{step}", score.line()) for step, score in scores])


@runs.command()
@click.argument("run", shell_complete=complete.runs)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of CSV.")
@click.option("--follow", is_flag=True, help="With --json: print new lines as long as the run trains.")
def metrics(run: str, as_json: bool, follow: bool) -> None:
    """Print a run's curves as CSV: one line for each logged step and for each epoch.

    The columns are those of metrics.jsonl, and `kind` distinguishes steps and epochs; missing values are empty. A
    branch begins with the lines of its parent. The run may be training.

    \b
    ddpm-tui runs metrics celeba32-1 > curves.csv
    """
    from engine.runs.metrics import as_csv, read_rows
    from engine.runs.record import find_run

    folder = find_run(home(), run)
    if follow and not as_json:
        raise UsageError("--follow is for --json", "give --json too, or leave it out")
    if as_json:
        from ddpm_tui.cli.log import print_rows

        print_rows(folder, follow)
        return
    rows, corrupt = read_rows(folder.metrics)
    say_text(as_csv(rows).removesuffix("\n"))
    if corrupt:
        note(f"{plural(corrupt, 'line')} of {folder.metrics} cannot be read and are left out")


@runs.command("log")
@click.argument("run", shell_complete=complete.runs)
@click.option(
    "--to",
    "targets",
    multiple=True,
    required=True,
    metavar="tensorboard:DIR|wandb[:PROJECT]|trackio[:PROJECT]|mlflow:DIR",
    help="May be given several times.",
)
@click.option("--once", is_flag=True, help="Do not follow a run that trains.")
@json_option
def log(run: str, targets: tuple[str, ...], once: bool, as_json: bool) -> None:
    """Write a run's curves, previews, samples and scores for other tools.

    A run that trains is followed until its training ends. What was written before is not written again. To log every
    training, list the targets in settings.toml: `[logs] to = ["tensorboard:DIR"]`.
    """
    from ddpm_tui.cli.log import log_to

    log_to(run, targets, once, as_json)


def _newest_scores(folder: "RunFolder", most: int = 3) -> list[tuple[int, "Score"]]:
    """Return, for each measure, the scores of the `most` newest checkpoints that have it, with their steps, oldest
    first.
    """
    from engine.runs.evaluations import read_evaluations

    found: dict[str, dict[int, Score]] = {}
    for evaluation in read_evaluations(folder, complain=note):
        for name, score in evaluation.scores.items():
            found.setdefault(name, {})[evaluation.checkpoint] = score
    return [(step, score) for of in found.values() for step, score in list(of.items())[-most:]]


def _thinned(epochs: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return a short history unchanged; of a long one, evenly chosen epochs including the first and the last."""
    if len(epochs) <= most:
        return epochs
    return [epochs[round(i * (len(epochs) - 1) / (most - 1))] for i in range(most)]


@runs.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN…", shell_complete=complete.runs)
@json_option
def compare(names: tuple[str, ...], as_json: bool) -> None:
    """Compare runs: the differences of their profiles, and their metrics side by side."""
    from engine.base.errors import UsageError
    from engine.config.store import diff_profiles, value_text
    from engine.runs.metrics import read_metrics
    from engine.runs.record import find_run, load_run

    if len(names) < 2:
        raise UsageError("compare needs at least two runs", "name them")
    records = [load_run(home(), name) for name in names]
    keys = sorted({key for r in records[1:] for key, _, _ in diff_profiles(records[0].profile, r.profile)})
    settings = {key: [_setting(r.profile, key) for r in records] for key in keys}
    tables = [read_metrics(find_run(home(), name).metrics).epochs for name in names]
    epochs = sorted({int(e) for table in tables for e in table["epoch"]})
    history = {
        epoch: [{k: _at(t, epoch, k) for k in ("train_loss", "val_loss", "eps_error")} for t in tables]
        for epoch in epochs
    }
    if as_json:
        print_json({"runs": names, "settings": settings, "epochs": history})
        return
    if settings:
        print_table(
            ["SETTING", *names],
            [[key, *(value_text(v, "–") for v in values)] for key, values in settings.items()],
        )
    else:
        say("their profiles are the same")
    if {r.profile.objective.prediction for r in records} != {records[0].profile.objective.prediction}:
        note("their losses have different objectives; only the eps error is comparable")
    if epochs:
        say("")
        shown = [{"epoch": float(e)} for e in epochs]
        print_table(
            ["EPOCH", *(f"{name}: {what}" for name in names for what in ("held out", "eps error"))],
            [
                [str(int(e["epoch"]))]
                + [number(row[k]) for row in history[int(e["epoch"])] for k in ("val_loss", "eps_error")]
                for e in _thinned(shown, MOST_COMPARED)
            ],
            right={"EPOCH"},
        )
        _say_thinned(len(shown), MOST_COMPARED)


def _say_thinned(epochs: int, most: int) -> None:
    if epochs > most:
        say(f"({most} of {epochs} epochs, evenly chosen; --json has all)")


def _setting(profile: Any, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(profile, section), name)


def _at(table: Any, epoch: int, key: str) -> float | None:
    rows = (table["epoch"] == epoch).nonzero()[0]
    return float(table[key][rows[-1]]) if len(rows) else None


@runs.command()
@click.argument("reference", metavar="RUN@WHICH", shell_complete=complete.references)
@set_option
@click.option("--name", metavar="NAME", help="The branch's name. [default: from the run's name]")
@json_option
def branch(reference: str, overrides: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Start a new run from a checkpoint, with other settings.

    The checkpoint and the history up to it are copied, so the branch does not depend on its parent. Settings that the
    weights depend on (model, diffusion, prediction, picture size) cannot change; others, such as learning rate, batch
    size, loss and data set, can. The branch continues from the epoch and the pictures seen of its checkpoint.

    \b
    ddpm-tui runs branch celeba32-1@e100 --set optim.lr=1e-6 --set optim.schedule=constant --name slower
    ddpm-tui train slower --chunks 2
    """
    from engine.runs.branch import branch_run, foretell
    from engine.runs.record import load_run

    parent, checkpoint = resolved(reference)
    record = branch_run(home(), parent, checkpoint, list(overrides), name)
    lineage = record.lineage
    assert lineage is not None
    if as_json:
        print_json(record.to_json())
        return
    say(f"run {record.name!r} branches from {parent.name}@{checkpoint.step} (epoch {lineage.epoch})")
    for change in lineage.changes:
        say(f"  {change}")
    if not lineage.changes:
        note("the branch has the settings of its parent; use --set section.key=value to change one")
    say(f"train it: ddpm-tui train {record.name} --chunks 1")
    for line in foretell(load_run(home(), parent.name), checkpoint.whole(), record.profile):
        say(f"  {line}")


@runs.command()
@click.argument("run", shell_complete=complete.runs)
@click.argument("name", metavar="NEW-NAME")
def rename(run: str, name: str) -> None:
    """Rename a run. Its branches keep pointing to it.

    Refused while the queue has jobs for it, or while it or a branch of it trains.
    """
    from engine.service import run_changes

    run_changes.rename(home(), run, name)
    say(f"{run} is now {name}")


@runs.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN…", shell_complete=complete.runs)
def delete(names: tuple[str, ...]) -> None:
    """Move runs to the trash. `runs restore` brings them back, `trash purge` frees the space.

    Refused while the queue has jobs for them, or while they train.
    """
    from engine.runs.record import find_run
    from engine.service import run_changes

    def discard(folder: "RunFolder") -> None:
        run_changes.discard(home(), folder)
        say(f"{folder.name} is in the trash; `ddpm-tui runs restore {folder.name}` brings it back")

    each([find_run(home(), name) for name in dict.fromkeys(names)], discard)


@runs.command()
@click.argument("run", metavar="RUN")
def restore(run: str) -> None:
    """Bring a deleted run back."""
    from engine.base.trash import find_trashed
    from engine.base.trash import restore as bring_back

    say(f"{run} is back: {bring_back(find_trashed(home(), run, 'run'))}")
