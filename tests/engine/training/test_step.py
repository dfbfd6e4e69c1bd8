"""One optimizer step: what it must not do when numbers or memory run out."""

import json
import math

import pytest
import torch

from engine.base.home import Home
from engine.config.profile import Profile
from engine.config.store import build_profile
from engine.device.out_of_memory import is_out_of_memory
from engine.device.plan import decide, gather
from engine.jobs.files import read_result
from engine.models.build import make_schedule
from engine.training.batches import Batch
from engine.training.state import TrainState
from engine.training.step import Stepper
from tests.tiny import TINY, bits, job, make_run, metrics_without_clocks, work


def stepper(**sections: dict[str, object]) -> Stepper:
    profile: Profile = build_profile(
        {**TINY, **{key: {**TINY.get(key, {}), **value} for key, value in sections.items()}}, "tiny"
    )
    plan = decide(gather("cpu"), profile)
    state = TrainState.create(profile, plan, torch.device("cpu"))
    state.micro_batches = [[0, profile.micro_batch or 8]]
    return Stepper(state, make_schedule(profile), profile, plan, state.model)


def batch(value: float = 0.5) -> Batch:
    generator = torch.Generator().manual_seed(1)
    x_0 = torch.full((8, 3, 16, 16), value)
    eps = torch.randn(x_0.shape, generator=generator)
    return Batch(x_0, eps, torch.randint(0, 50, (8,), generator=generator))


def weights(s: Stepper) -> list[torch.Tensor]:
    return [p.detach().clone() for p in s.state.model.parameters()]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_a_step_without_a_finite_loss_changes_no_weight_and_is_counted(optimizer: str) -> None:
    s = stepper(optim={"optimizer": optimizer})
    for _ in range(3):
        s.step(batch(), 1e-3)
    before = weights(s)
    moments = [v.clone() for state in s.state.optimizer.state.values() for v in state.values()]
    s.step(batch(math.nan), 1e-3)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(s), strict=True))
    after = [v for state in s.state.optimizer.state.values() for v in state.values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, after, strict=True))
    assert all(torch.isfinite(v).all() for v in s.state.ema.values)
    assert (s.state.sums.read()["bad"], s.state.sums.read()["row"]) == (1.0, 1.0)
    s.step(batch(), 1e-3)
    assert not all(torch.equal(a, b) for a, b in zip(before, weights(s), strict=True))
    assert s.state.sums.read()["row"] == 0.0


def test_micro_batches_accumulate_the_gradient_of_the_whole_batch() -> None:
    whole, parts = (stepper(training={"micro_batch": micro}, model={"dropout": 0.0}) for micro in (8, 2))
    gradients = []
    for s in (whole, parts):
        s._gradients(batch())
        gradients.append([p.grad for p in s.state.model.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped_to_the_norm() -> None:
    s = stepper(optim={"clip_norm": 1e-3, "optimizer": "adam"})
    seen = []
    s.state.optimizer.register_step_pre_hook(
        lambda *_: seen.append(torch.nn.utils.get_total_norm([p.grad for p in s._parameters]))
    )
    s.step(batch(), 1e-3)
    assert seen[0].item() == pytest.approx(1e-3, rel=1e-2)


def test_out_of_memory_is_known_in_every_dress() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")
    )
    for said in (
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA error: out of memory",
    ):
        assert is_out_of_memory(RuntimeError(said)), said
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))


def test_out_of_memory_halves_the_micro_batch_and_nothing_else(home: Home) -> None:
    changes = {"model": {"dropout": 0.0}, "training": {"micro_batch": 8}}
    squeezed, whole = make_run(home, "squeezed", **changes), make_run(home, "whole", **changes)
    assert work(job(home, whole, 1)).returncode == 0
    ended = work(job(home, squeezed, 1), "train.backward:3=oom")
    assert ended.returncode == 0, ended.stdout
    assert "micro-batch 8 → 4" in ended.stdout
    assert json.loads(squeezed.record.read_text())["frozen"]["micro_batches"] == [[0, 8], [2, 4]]
    ours, theirs = metrics_without_clocks(squeezed), metrics_without_clocks(whole)
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    assert ours[-1]["train_loss"] == pytest.approx(theirs[-1]["train_loss"], rel=1e-4)


def test_a_halved_micro_batch_survives_a_kill_to_the_bit(home: Home) -> None:
    changes = {"training": {"micro_batch": 8}}
    a, b = make_run(home, "a", **changes), make_run(home, "b", **changes)
    assert work(job(home, a, 2), "train.backward:3=oom").returncode == 0
    task = job(home, b, 2)
    assert work(task, "train.backward:3=oom,train.step:5=kill").returncode == -9
    assert work(task).returncode == 0
    assert bits(a) == bits(b)


def test_loss_that_stays_nan_stops_the_run_at_its_last_checkpoint(home: Home) -> None:
    run = make_run(home, "hot", training={"max_bad_steps": 6})
    assert work(job(home, run, 1)).returncode == 0
    before = bits(run)
    task = job(home, run, 3)
    ended = work(task, "train.loss:4=nan")
    assert ended.returncode == 1
    result = read_result(task)
    assert result is not None
    assert result.outcome == "diverged"
    assert "6 steps in a row up to step 16" in result.message
    assert "stays at checkpoint 7" in result.message
    assert "optim.lr" in (result.hint or "")
    assert bits(run) == before
