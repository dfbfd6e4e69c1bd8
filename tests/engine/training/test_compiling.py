"""Compiling where it pays and works; where it does not work, a training goes on without."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.base.home import Home
from engine.config.profile import Profile
from engine.config.sections import TrainingSection
from engine.config.store import build_profile
from engine.device.plan import DeviceFacts, decide, gather
from engine.jobs.files import read_result
from engine.models.build import unet_config
from engine.models.unet import UNet
from engine.runs.record import freeze, read_record
from engine.training.compiling import CannotCompile, compiled
from tests.tiny import TINY, bits, job, make_run, work

A100 = DeviceFacts("cuda:0", "NVIDIA A100", 40 << 30, 8, (8, 0), ("sm_80",))


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))


@pytest.mark.parametrize(("pictures", "wanted"), [(162_770, True), (4_000, False), (None, True)])
def test_a_short_chunk_does_not_pay_for_compiling(pictures: int | None, wanted: bool) -> None:
    profile = Profile(training=TrainingSection(batch_size=32, chunk_epochs=25))
    plan = decide(A100, profile, pictures=pictures)
    assert plan.compile is wanted
    assert any("3,125 steps" in reason for reason in plan.reasons) is not wanted
    forced = Profile(training=TrainingSection(batch_size=32, chunk_epochs=25, compile="on"))
    assert decide(A100, forced, pictures=pictures).compile


def network() -> tuple[UNet, Any]:
    profile = build_profile(TINY, "tiny")
    return UNet(unet_config(profile)), decide(gather("cpu"), profile)


def test_the_trial_goes_backward_too_and_leaves_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plan = network()
    reached = []
    model.conv_in.weight.register_hook(lambda gradient: reached.append(gradient.shape))
    monkeypatch.setattr(torch, "compile", lambda module: module)
    assert compiled(model, plan, (2, 3, 16, 16)) is model
    assert reached == [model.conv_in.weight.shape]
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_why_it_cannot_be_is_one_line(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    model, plan = network()
    text = "backend='inductor' raised:\nRuntimeError: Failed to find C compiler. Please specify.\n\nSet TORCH_LOGS"

    def breaking(module: UNet) -> Any:
        def fail(*_: object) -> None:
            raise RuntimeError(text)

        def forward(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            if where == "forward":
                fail()
            output = module(x, t)
            output.register_hook(fail)
            return output

        return forward

    monkeypatch.setattr(torch, "compile", breaking)
    with pytest.raises(CannotCompile) as caught:
        compiled(model, plan, (2, 3, 16, 16))
    assert caught.value.what == "RuntimeError: Failed to find C compiler. Please specify."
    assert all(parameter.grad is None for parameter in model.parameters())


def test_memory_that_runs_out_is_left_to_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plan = network()

    def no_memory(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(torch, "compile", lambda _: no_memory)
    assert compiled(model, plan, (2, 3, 16, 16)) is no_memory


@pytest.mark.slow
def test_a_training_goes_on_without_a_compiler(home: Home, no_compiler: None) -> None:
    plain, planned = make_run(home, "plain"), make_run(home, "planned")
    for run in (plain, planned):
        assert work(job(home, run, 1)).returncode == 0
    # As on a card: planned because it pays, not because the profile insists.
    freeze(planned, plan={**read_record(planned).frozen["plan"], "compile": True})
    ended = work(job(home, planned, 2), afresh=True)  # the compiler's name is read when torch is imported
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "not compiled: " in ended.stdout
    assert "its bits differ" in ended.stdout
    frozen = json.loads(planned.record.read_text())["frozen"]["plan"]
    assert frozen["compile"] is False
    assert any(reason.startswith("not compiled: ") for reason in frozen["reasons"])
    assert work(job(home, plain, 2)).returncode == 0
    assert bits(planned) == bits(plain)


@pytest.mark.slow
def test_a_profile_that_insists_is_told_what_is_missing(home: Home, no_compiler: None) -> None:
    run = make_run(home, "insists", training={"compile": "on"})
    task = job(home, run, 1)
    assert work(task, afresh=True).returncode == 1
    result = read_result(task)
    assert result is not None
    assert "training.compile = 'on', but the network cannot be compiled here: " in result.message
    assert "\n" not in result.message
