"""The error in ε on held-out pictures, by log-SNR."""

from engine.evaluation import bands
from engine.evaluation.bootstrap import bootstrap
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring


def take(of: Measuring) -> Figure:
    """Take the eps error. detail: log_snr of the bands, and bands as [value, low, high]."""
    chosen = of.held_out(of.wanted.n)
    levels, errors = bands.eps_errors(
        lambda total: of.ticking("eps_error", total), of.loaded.schedule, of.loaded.profile.objective.prediction,
        chosen.pictures, seed=NOISE_SEED, batch=of.batch, device=of.loaded.device,
    )  # fmt: skip
    each = [bootstrap(row, seed=NOISE_SEED) for row in errors]
    return Figure(
        bootstrap(errors.mean(axis=0), seed=NOISE_SEED), chosen.reference.n, chosen.reference,
        detail={"log_snr": levels, "bands": [[b.value, b.low, b.high] for b in each]},
    )  # fmt: skip
