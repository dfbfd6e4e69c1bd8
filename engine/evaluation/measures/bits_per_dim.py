"""Bits per dimension of held-out pictures, by the variational bound."""

from engine.evaluation import bits
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring

BITS_PICTURES = 64
BITS_TIMESTEPS = 250
"""The bound wants every timestep of every picture: more of either are thinned out, and said."""


def take(of: Measuring) -> Figure:
    """Take the bound in bits per dimension. detail: variance, prior, transitions, decoder, the number of timesteps
    and their terms."""
    chosen = of.held_out(min(of.wanted.n, BITS_PICTURES))
    steps = of.loaded.schedule.steps
    stride = -(-steps // BITS_TIMESTEPS)
    found = bits.bits_per_dim(
        of.ticking("bits_per_dim", (1 + -(-(steps - 1) // stride)) * of.batches(chosen)),
        of.loaded.schedule, of.loaded.profile.objective.prediction, chosen.pictures,
        stride=stride, seed=NOISE_SEED, batch=of.batch, device=of.loaded.device,
    )  # fmt: skip
    return Figure(
        found.total, chosen.reference.n, chosen.reference, "bits/dim",
        {
            "variance": found.variance, "prior": found.prior, "transitions": found.transitions,
            "decoder": found.decoder, "timesteps": len(found.timesteps), "terms": found.terms,
        },
    )  # fmt: skip
