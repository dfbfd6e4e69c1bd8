"""What guides a network while pictures are drawn: a worse version of it, named like any checkpoint. Never imports
torch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.base.errors import UserError
from engine.base.home import Home, is_export
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.runs.export import Export
from engine.runs.trained import Trained, find_trained


def guide_reference(given: str, run: str | None) -> str:
    """A guide as RUN@WHICH or a folder. `e1`, `@e1`, a step or a tag alone is a checkpoint of the same run.

    Raises UserError for such a short name where there is no run: `run` is None for an exported network.
    """
    if is_export(given) or given.partition("@")[0] not in ("", given):
        return given
    if run is None:
        raise UserError(
            f"--guide {given}: an exported network has no other checkpoints", "name one as RUN@WHICH or ./DIR"
        )
    return f"{run}@{given.removeprefix('@')}"


def find_guided(home: Home, trained: Trained, args: Mapping[str, Any]) -> tuple[Settings, Trained | None]:
    """How a job with these args draws from `trained`, and the network that guides it; None where none but itself does.

    Raises UserError for settings that cannot be, and for a guide that does not fit; otherwise as `find_trained`.
    """
    settings = trained.settings(args)
    if settings.guide is None:
        if settings.guided and not any(settings.labels):
            unlabelled = trained.profile.labels.kind == "none"
            why = f"{trained.name} has learned no labels" if unlabelled else "no label is asked for"
            raise UserError(
                f"--guidance {settings.guidance:g}: {why}, so there is nothing to guide away from",
                "give an earlier checkpoint as --guide, for example --guide e1"
                + ("" if unlabelled else ", or a label: --label NAME=1"),
            )
        return settings, None
    guide = find_trained(home, guide_reference(settings.guide, trained.run))
    weights = settings.guide_weights
    if isinstance(guide.of, Export):
        weights = guide.of.weights
        if args.get("guide_weights") not in (None, weights):
            raise UserError(f"--guide-weights {args['guide_weights']}: the export has the {weights} weights")
    settings = replace(settings, guide=guide.reference, guide_weights=weights)
    if guide.sha256(str(weights)) == trained.sha256(settings.weights):
        raise UserError(
            f"--guide {args['guide']}: it is the same network with the same weights, which guides nowhere",
            "name an earlier checkpoint, or other --guide-weights",
        )
    _check_fits(trained, guide)
    knows, same = (
        guide.profile.labels.kind != "none",
        guide.profile.labels.names == trained.profile.labels.names,
    )
    if any(settings.labels) and knows and not same:
        raise UserError(
            f"{guide.name} cannot guide {trained.name} to labels: it has learned other ones",
            "a guide has the same labels, or none",
        )
    return settings, guide


def named_guide(home: Home, trained: Trained, args: Mapping[str, Any]) -> dict[str, Any]:
    """What a job's args are to say of the guide that `args` ask for: the very checkpoint, so that it is kept for the
    job. Raises as `find_guided`."""
    settings, guide = find_guided(home, trained, args)
    labels = {"labels": list(settings.labels)} if settings.labels else {}
    if guide is None:
        return labels
    by = {"guide": settings.guide, "guide_weights": settings.guide_weights, "guidance": settings.guidance}
    return {**labels, **by}


def _check_fits(trained: Trained, guide: Trained) -> None:
    """Raise UserError unless both say the same thing of the same noisy picture."""
    for what, of in (
        ("size", _size),
        ("prediction", _prediction),
        ("noise schedule", _schedule),
    ):
        here, there = of(trained.profile), of(guide.profile)
        if here != there:
            raise UserError(
                f"{guide.name} cannot guide {trained.name}: its {what} is {there}, not {here}",
                "a guide is an earlier checkpoint of the same run, or of one with the same data and diffusion",
            )


def _size(profile: Profile) -> str:
    return f"{profile.data.size}×{profile.data.size}"


def _prediction(profile: Profile) -> str:
    return profile.objective.prediction


def _schedule(profile: Profile) -> str:
    d = profile.diffusion
    betas = f", β {d.beta_start:g} to {d.beta_end:g} ({d.beta_scaling})" if d.schedule != "cosine" else ""
    return f"{d.schedule} in {d.steps} steps{betas}{', zero terminal SNR' if d.zero_terminal_snr else ''}"
