"""Bars of the devices' utilisation, memory, temperature and power. Shows given values; measures nothing."""

from ddpm_tui.tui.state.snapshot import Device, Meters
from ddpm_tui.tui.widgets.rows import Line, Piece, Rows, length
from ddpm_tui.words import number, size

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def eighths(fraction: float, width: int) -> str:
    """Return a bar of `width` cells as text of one ink."""
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in bar(fraction, width))


def bar(fraction: float | None, width: int, style: str = "bar", unicode: bool = True) -> list[Piece]:
    """Return a bar of `width` cells, to an eighth of a cell if the terminal can; unknown is an empty one."""
    fraction = min(1.0, max(0.0, fraction or 0.0))
    if not unicode:
        full = round(fraction * width)
        return [("#" * full, style), ("." * (width - full), "faint")]
    eighths = round(fraction * width * 8)
    full, rest = divmod(eighths, 8)
    part = _EIGHTHS[rest] if rest else ""
    # A track of light dots: an empty bar and a full one are told apart without colours, too.
    return [("█" * full + part, style), ("·" * (width - full - len(part)), "faint")]


class MeterPanel(Rows):
    """One block a device; if rows are short, GPUs come first."""

    DEFAULT_CSS = "MeterPanel { height: 1fr; }"

    def __init__(self, *, unicode: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self.unicode = unicode
        self.meters = Meters()

    def show(self, meters: Meters) -> None:
        self.meters = meters
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = []
        for gpu in self.meters.gpus:
            lines += self._gpu(gpu, width)
        machine = self.meters.machine
        if machine is not None:
            lines.append(self._row("cpu", machine.busy, machine.name, width))
            lines.append(self._memory("ram", machine, width))
        if self.meters.disk_free is not None:
            low = self.meters.disk_free < 2_000_000_000
            lines.append(
                [("disk ", "dim"), (f"{size(self.meters.disk_free)} free", "bad" if low else ""), ""]
            )
        return lines or [[("no meters yet", "dim")]]

    def _gpu(self, gpu: Device, width: int) -> list[Line]:
        facts: list[Piece] = []
        if gpu.temperature is not None:
            facts += [(f" {gpu.temperature:.0f}°C", "bad" if gpu.temperature >= 85 else "")]
        if gpu.power is not None:
            limit = f"/{gpu.power_limit:.0f}" if gpu.power_limit else ""
            facts += [f" {gpu.power:.0f}{limit} W"]
        name: list[Piece] = [(gpu.name, "bold")]
        if length(name) + length(facts) > width:
            name = [(gpu.name[: max(0, width - length(facts) - 1)], "bold")]
        return [[*name, *facts], self._row("gpu", gpu.busy, "", width), self._memory("mem", gpu, width)]

    def _row(self, label: str, fraction: float | None, remark: str, width: int) -> Line:
        share = "  –" if fraction is None else f"{fraction * 100:3.0f}"
        room = max(4, width - len(label) - 7)
        # A busy device is as it should be: only full memory is a warning.
        if remark and room - len(remark) - 1 >= 10:
            room -= len(remark) + 1
            busy = bar(fraction, room, "bar", self.unicode)
            return [(f"{label} ", "dim"), *busy, f" {share} %", (f" {remark}", "dim")]
        return [(f"{label} ", "dim"), *bar(fraction, room, "bar", self.unicode), f" {share} %"]

    def _memory(self, label: str, device: Device, width: int) -> Line:
        used, total = device.memory_used, device.memory_total
        if used is None or not total:
            return [(f"{label} ", "dim"), ("not known", "dim")]
        text = f" {number(used / 1e9, 2)}/{number(total / 1e9, 2)} GB"
        room = max(4, width - len(label) - 1 - len(text))
        style = "bar" if used / total < 0.95 else "warn"
        return [(f"{label} ", "dim"), *bar(used / total, room, style, self.unicode), text]
