"""The output of `profiles estimate`."""

from typing import Any

from ddpm_tui.cli.common import note, print_facts
from ddpm_tui.words import duration, number, plural, rate, size
from engine.base.text import shell_word
from engine.config.profile import Profile


def print_costs(profile: Profile, figures: dict[str, Any]) -> None:
    """Print the figures that `engine.training.estimate` returns."""
    batch = profile.training.batch_size
    pictures = figures.get("train_pictures")
    print_facts(
        [
            ("parameters", f"{figures['parameters'] / 1e6:.2f} M"),
            ("forward pass", f"{number(figures['forward_macs'] / 1e6)} MMAC a picture"),
            (
                "activations",
                f"{size(figures['activation_bytes'])} at {plural(profile.micro_batch or batch, 'picture')} "
                f"({size(figures['activation_bytes_per_picture'])} each)",
            ),
            ("weights and optimizer", size(figures["state_bytes"])),
            ("a checkpoint", size(figures["checkpoint_bytes"])),
            ("device", figures["summary"]),
            ("speed", _speed(figures)),
            *_ways(figures),
            ("an epoch", _epoch(figures, pictures)),
            (
                "the run",
                f"{duration(figures.get('run_seconds'))} for {plural(profile.training.epochs, 'epoch')}",
            )
            if figures.get("run_seconds")
            else ("", ""),
        ]
    )
    if pictures is None:
        data = profile.data
        limited = f" ({plural(data.limit, 'picture')})" if data.limit else ""
        note(
            f"the data set {data.dataset!r} is not packed at {data.size} px, crop {data.recipe}{limited}, so the "
            f"time of an epoch is not known: ddpm-tui data add PATH --name {shell_word(data.dataset)} "
            f"--size {data.size} --recipe {data.recipe}{f' --limit {data.limit}' if data.limit else ''} packs it"
            if data.dataset != "faces"
            else "the built-in faces are drawn when the first run starts; the time of an epoch is then known"
        )


def _speed(figures: dict[str, Any]) -> str:
    if "images_per_s" not in figures:
        return ""
    return f"{rate(figures['images_per_s'])} (measured over {plural(figures['measured_steps'], 'step')})"


def _ways(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the options that need less memory, with their costs; nothing if they were not measured."""
    lines: list[tuple[str, str]] = []
    for way in figures.get("ways", [])[1:]:
        again = way["activation_checkpointing"] and not figures["plan"]["activation_checkpointing"]
        how = "activation_checkpointing = true" if again else f"micro_batch = {way['micro_batch']}"
        cost = way["images_per_s"] / figures["images_per_s"]
        lines.append(
            (
                "" if lines else "in less memory",
                f"{how}: {size(way['activation_bytes'])} of activations at {cost:.0%} of the speed",
            )
        )
    return lines


def _epoch(figures: dict[str, Any], pictures: int | None) -> str:
    if "epoch_seconds" not in figures:
        return plural(pictures, "picture") if pictures else ""
    return f"{duration(figures['epoch_seconds'])} for {plural(pictures or 0, 'picture')}"
