"""The log-SNR bands at which the eps error is measured, and the timesteps of a schedule that stand for them."""

from engine.diffusion.schedule import Schedule

BANDS = (-1.5, 0.0, 1.5, 3.0, 4.5, 6.0)
"""Log-SNR at which the eps error is measured. Every schedule of the paper reaches them, unscaled too."""


REACH = 1.0
"""A schedule without a timestep this near to a band has no figure there."""


def timesteps(schedule: Schedule) -> list[tuple[int, bool]]:
    """Return for each of BANDS the schedule's nearest timestep, and whether it is near enough for a figure."""
    log_snr = schedule.log_snr.cpu()
    nearest = [int((log_snr - band).abs().argmin()) for band in BANDS]
    return [(t, (log_snr[t] - band).abs().item() <= REACH) for t, band in zip(nearest, BANDS, strict=True)]
