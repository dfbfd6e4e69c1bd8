"""Decisions about devices, from injected facts: no GPU is needed to know what one would get."""

import os

import pytest
import torch

from engine.base.errors import UserError
from engine.base.home import Home, shipped_profiles
from engine.bench.memory import counted
from engine.config.profile import Profile
from engine.config.sections import ModelSection, TrainingSection
from engine.config.store import load_profile
from engine.device.plan import DeviceFacts, DevicePlan, apply, decide, gather
from engine.models.build import unet_config
from engine.models.count import parameters
from engine.models.unet import UNet

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def card(name: str, capability: tuple[int, int], memory: int = 16 << 30) -> DeviceFacts:
    return DeviceFacts("cuda:0", name, memory, 8, capability, ARCHITECTURES)


def profile(**training: object) -> Profile:
    return Profile(training=TrainingSection(**training))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "precision", "layout", "compiled"),
    [
        (card("NVIDIA A100", (8, 0)), "bf16", "channels_last", True),
        (card("NVIDIA GeForce RTX 3060", (8, 6)), "bf16", "channels_last", True),
        (card("Tesla T4", (7, 5)), "fp16", "channels_last", True),
        (card("NVIDIA GeForce GTX 1660 Ti", (7, 5)), "fp32", "channels_last", True),
        (card("NVIDIA GeForce GTX 1060 6GB", (6, 1)), "fp32", "contiguous", False),
        (
            DeviceFacts("cpu", "EPYC", 1 << 34, 2, cpu_flags=frozenset({"avx512_bf16"})),
            "bf16",
            "contiguous",
            False,
        ),
        (DeviceFacts("cpu", "old", 1 << 34, 2), "fp32", "contiguous", False),
    ],
)
def test_auto(facts: DeviceFacts, precision: str, layout: str, compiled: bool) -> None:
    plan = decide(facts, Profile())
    assert (plan.precision, plan.layout, plan.compile) == (precision, layout, compiled)
    assert any(reason.startswith(precision) for reason in plan.reasons), "it says why"


@pytest.mark.parametrize(("before", "after"), [("", ":4096:8"), (":16:8", ":16:8"), (":0:0", ":4096:8")])
def test_a_card_computes_the_same_bits_each_time(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before)  # and put back after the test
    threads = torch.get_num_threads()
    try:
        apply(decide(card("NVIDIA A100", (8, 0)), profile()))
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == after
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)


def test_fp16_is_refused_where_it_gives_nan() -> None:
    with pytest.raises(UserError, match="gives NaN on NVIDIA GeForce GTX 1650"):
        decide(card("NVIDIA GeForce GTX 1650", (7, 5)), profile(precision="fp16"))
    assert decide(card("Tesla T4", (7, 5)), profile(precision="fp16")).precision == "fp16"


def test_the_profile_wins() -> None:
    plan = decide(
        card("NVIDIA A100", (8, 0)),
        profile(
            precision="fp32", compile="off", channels_last=False, threads=3, activation_checkpointing=True
        ),
    )
    assert (plan.precision, plan.compile, plan.layout) == ("fp32", False, "contiguous")
    assert (plan.threads, plan.activation_checkpointing) == (3, True)


def test_a_card_torch_was_not_built_for_is_known() -> None:
    assert not card("NVIDIA GeForce GTX 1060 6GB", (6, 1)).usable
    assert card("NVIDIA GeForce RTX 3060", (8, 6)).usable
    assert card("NVIDIA L4", (8, 9)).usable, "code for 8.6 runs on 8.9"
    ptx = DeviceFacts("cuda:0", "new", 1, 1, (13, 0), (*ARCHITECTURES, "compute_120"))
    assert ptx.usable, "PTX is translated for newer cards"


def test_data_goes_to_the_card_only_where_it_fits() -> None:
    small = card("NVIDIA A100", (8, 0), memory=6 << 30)
    assert decide(small, Profile(), data_bytes=1 << 30).data_on_device
    assert not decide(small, Profile(), data_bytes=2 << 30).data_on_device


def test_a_plan_survives_json() -> None:
    plan = decide(card("Tesla T4", (7, 5)), Profile())
    assert DevicePlan.from_json(plan.to_json()) == plan


def test_devices_that_are_not_there() -> None:
    with pytest.raises(UserError, match="there is no device 'gpu'"):
        gather("gpu")
    assert gather("cpu").cores >= 1


def test_convnext_on_a_cpu_is_laid_out_for_depthwise_convolutions() -> None:
    cpu = DeviceFacts("cpu", "EPYC", 1 << 34, 2)
    assert decide(cpu, Profile(model=ModelSection(block="convnext"))).layout == "channels_last"
    assert decide(cpu, Profile()).layout == "contiguous"


@pytest.mark.parametrize(("name", "millions"), [("celeba32-paper", 2.2), ("celeba64-paper", 8.2)])
def test_the_paper_profiles_have_the_papers_parameters(name: str, millions: float) -> None:
    profile = load_profile(Home.find(), str(shipped_profiles() / f"{name}.toml"))
    with torch.device("meta"):
        count = parameters(UNet(unet_config(profile)))
    assert count / 1e6 == pytest.approx(millions, rel=0.05)


def test_sixty_four_pixels_at_batches_of_128_fit_six_gigabytes() -> None:
    """The paper's own 64×64 needed more than 13 GB; the card is its GTX 1060, which computes in fp32."""
    card = DeviceFacts("cuda:0", "GTX 1060", 6 << 30, 2, (6, 1), ("sm_61",))
    fits = load_profile(Home.find(), str(shipped_profiles() / "celeba64-6gb.toml"))
    paper = load_profile(Home.find(), str(shipped_profiles() / "celeba64-paper.toml"))
    assert fits.training.batch_size == paper.training.batch_size == 128
    ours, theirs = counted("fits", fits, card), counted("paper", paper, card)
    assert ours["precision"] == theirs["precision"] == "fp32"
    # A real step took 2.6e9 at its peak on a CPU; CUDA and cuDNN want some more.
    assert ours["counted_bytes"] < 2.5 * 2**30
    assert theirs["counted_bytes"] > 8 * 2**30

    recomputing = fits.training.model_copy(update={"activation_checkpointing": True})
    least = counted("least", fits.model_copy(update={"training": recomputing}), card)
    assert least["saved_per_picture"] < 0.45 * ours["saved_per_picture"]
