"""The same plain training step through our network and through the peers', in turns: the cost of a FLOP in each.

Every network gets its own counted operations, the same pictures, autocast, a fused AdamW and nothing else: no
average, no clipping. Peers run in both memory layouts, and the faster one stands for them. GFLOP/s are compared.
Wider layers run nearer to the peak, so each peer is held against our network at the width that makes it work as much
for a picture.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from engine.bench.options import INSTALL_PEERS, Options, missing_peers
from engine.bench.peaks import best, key, peak_cases, rates
from engine.bench.steps import precisions, prepare
from engine.bench.subject import fill_zeros, training_flop, waiter
from engine.bench.timing import in_turns, ratio
from engine.config.profile import Profile
from engine.config.store import override_profile
from engine.device import plan as precision
from engine.jobs.context import Work
from engine.models.build import unet_config
from engine.models.unet import UNet

BATCH = 64
SMALL = (2e6, 4.5e6)
"""Parameters of networks that count for "the best peer": those of about our size."""


@dataclass(frozen=True)
class Network:
    """One network under test. `call(x, t)` returns its prediction."""

    name: str
    module: nn.Module
    call: Callable[[Tensor, Tensor], Tensor]
    channels_last: bool
    flop: float
    ours: bool = False

    @property
    def key(self) -> str:
        return f"{self.name} {'channels last' if self.channels_last else ''}"

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.module.parameters())


def measure_peers(
    work: Work, facts: precision.DeviceFacts, name: str, profile: Profile, options: Options
) -> dict[str, Any]:
    """Return GFLOP/s of our network of `profile` and of the installed peers, per precision, and the ratios."""
    device = prepare(facts)
    missing = missing_peers()
    size = profile.data.size
    peers: list[Network] = []
    for channels_last in (False, True):
        if "diffusers" not in missing:
            peers += _diffusers(size, channels_last)
        if "denoising-diffusion-pytorch" not in missing:
            peers += _lucidrains(size, channels_last, facts.is_cuda, options.quick)
    channels_last = precision.decide(facts, profile).layout == "channels_last"
    ours = _ours(name, profile, channels_last)
    widened: dict[str, Network] = {}
    for peer in peers:
        width = equal_width(profile, peer.flop)
        wide = override_profile(profile, [f"model.width={width}", f"model.head_dim={width}"])
        wide_name = f"{name}, width {width}"
        same = width == profile.model.width
        known = next((n for n in widened.values() if n.name == f"ddpm-tui {wide_name}"), None)
        widened[peer.key] = ours if same else known or _ours(wide_name, wide, channels_last)
    networks = list({n.key: n for n in (ours, *widened.values(), *peers)}.values())
    wanted = precisions(facts)
    peaks = peak_cases(device, wanted)
    pictures = max(2, round(options.gflop * 1e9 / networks[0].flop)) if options.quick else BATCH
    cases: dict[str, Callable[[], object]] = {key(p): p.call for p in peaks}
    for network in networks:
        network.module.to(device)
        for precise in wanted:
            cases[f"{network.key} {precise}"] = _step(network, precise, pictures, size, device)

    def between(case: str) -> None:
        work.raise_if_stopping()
        work.report("starting", text=f"bench: {case}")

    times = in_turns(cases, options.rounds, wait=waiter(device), between=between)
    ceilings = rates(peaks, times)
    rows = []
    for network in networks:
        for precise in wanted:
            series = times[f"{network.key} {precise}"]
            match = widened.get(network.key, network)
            mine = times[f"{match.key} {precise}"]
            work_done = network.flop * pictures / 1e9
            over = match.flop / network.flop
            rows.append(
                {
                    "network": network.name,
                    "precision": precise,
                    "layout": "channels last" if network.channels_last else "contiguous",
                    "parameters": network.parameters,
                    "gflop_per_picture": network.flop / 1e9,
                    "images_per_s": pictures / series.seconds,
                    "gflops": work_done / series.seconds,
                    "gflop_per_cpu_s": work_done / series.cpu_seconds,
                    "share_of_peak": work_done / series.seconds / best(ceilings, precise),
                    "held_against": match.name,
                    "ours_over_it": ratio(series, mine) * over,
                    "ours_over_it_cpu": ratio(series, mine, cpu=True) * over,
                    "ours": network.ours,
                    **series.to_json(),
                }
            )
    found: dict[str, Any] = {"pictures": pictures}
    if missing:
        found["missing"] = f"{', '.join(missing)}: {INSTALL_PEERS}"
    tops = [top for precise in wanted if (top := best_peer(rows, precise))]
    return {**found, "rows": rows, "best_peers": tops}


def best_peer(rows: list[dict[str, Any]], precise: str) -> dict[str, Any] | None:
    """Return the peer of about our size with the most GFLOP/s, and how many times as many are ours."""
    found = [
        row
        for row in rows
        if row["precision"] == precise and not row["ours"] and SMALL[0] <= row["parameters"] <= SMALL[1]
    ]
    if not found:
        return None
    # By CPU time, which other programs on the machine do not disturb; on a GPU that would time the host.
    by_cpu = all(row["cpu_seconds"] > 0.5 * row["seconds"] for row in found)
    top = min(found, key=lambda row: row["ours_over_it_cpu" if by_cpu else "ours_over_it"])
    chosen = ("precision", "network", "layout", "held_against", "ours_over_it", "ours_over_it_cpu")
    return {key: top[key] for key in chosen}


def equal_width(profile: Profile, flop: float) -> int:
    """Return the width at which our network of `profile` comes nearest to `flop` operations a picture."""
    groups = profile.model.groups

    def off(width: int) -> float:
        wide = override_profile(profile, [f"model.width={width}", f"model.head_dim={width}"])
        return abs(training_flop(UNet(unet_config(wide)), profile.data.size) - flop)

    widths = range(groups, 64 * groups, groups)
    # A wider network always works more: when the difference begins to grow, the nearest has been passed.
    return next(width for width in widths if off(width) <= off(width + groups))


def _ours(name: str, profile: Profile, channels_last: bool) -> Network:
    torch.manual_seed(0)
    model = UNet(unet_config(profile))
    return _network(f"ddpm-tui {name}", model, None, channels_last, profile.data.size, ours=True)


def _network(
    name: str,
    module: nn.Module,
    call: Callable[[Tensor, Tensor], Tensor] | None,
    channels_last: bool,
    size: int,
    ours: bool = False,
) -> Network:
    fill_zeros(module)
    if channels_last:
        module.to(memory_format=torch.channels_last)
    return Network(name, module, call or module, channels_last, training_flop(module, size, call), ours)


def _diffusers(size: int, channels_last: bool) -> list[Network]:
    library = importlib.import_module("diffusers")
    found = []
    for heads in (8, 32):
        torch.manual_seed(0)
        module = library.UNet2DModel(
            sample_size=size,
            block_out_channels=(32, 64, 128),
            layers_per_block=2,
            attention_head_dim=heads,
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        )
        call = partial(_sample_of, module)
        found.append(_network(f"diffusers UNet2DModel, heads of {heads}", module, call, channels_last, size))
    return found


def _sample_of(module: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    out: Tensor = module(x, t).sample
    return out


def _lucidrains(size: int, channels_last: bool, gpu: bool, quick: bool) -> list[Network]:
    library = importlib.import_module("denoising_diffusion_pytorch")
    found = []
    for dim in (32,) if quick else (32, 64):
        torch.manual_seed(0)
        module = library.Unet(dim, dim_mults=(1, 2, 4), flash_attn=gpu)
        found.append(_network(f"denoising-diffusion-pytorch Unet({dim})", module, None, channels_last, size))
    return found


def _step(
    network: Network, precise: str, pictures: int, size: int, device: torch.device
) -> Callable[[], None]:
    generator = torch.Generator(device=device).manual_seed(0)
    x = torch.randn(pictures, 3, size, size, generator=generator, device=device)
    wanted = torch.randn(x.shape, generator=generator, device=device)
    if network.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    t = torch.arange(pictures, device=device) * 200 // pictures
    optimizer = torch.optim.AdamW(network.module.parameters(), lr=1e-6, fused=True)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precise)

    def step() -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            out = network.call(x, t)
        (out.float() - wanted).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
