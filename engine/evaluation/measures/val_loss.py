"""The loss that the run is trained by, on held-out pictures, in bands of timesteps."""

from engine.evaluation import bands
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring


def take(of: Measuring) -> Figure:
    """Take the validation loss. detail: edges, bands and eps_error_bands as [value, low, high]; unit: the loss."""
    objective, chosen = of.loaded.profile.objective, of.held_out(of.wanted.n)
    count = min(bands.BANDS, of.loaded.profile.diffusion.steps)
    found = bands.band_losses(
        of.ticking("val_loss", count * of.batches(chosen)), of.loaded.schedule, objective.prediction, objective.loss,
        chosen.pictures, bands=count, seed=NOISE_SEED, batch=of.batch, device=of.loaded.device,
    )  # fmt: skip
    return Figure(
        found.mean, chosen.reference.n, chosen.reference, objective.loss,
        {
            "prediction": objective.prediction,
            "edges": found.edges,
            "bands": [[b.value, b.low, b.high] for b in found.loss],
            "eps_error_bands": [[b.value, b.low, b.high] for b in found.eps_error],
        },
    )  # fmt: skip
