"""When jobs will start and end, from what others took; and what nobody can know stays unknown."""

from dataclasses import replace

from ddpm_tui.tui.state.forecast import forecast
from ddpm_tui.tui.state.snapshot import EngineStatus, JobView, Snapshot
from engine.service.states import State
from tests.ddpm_tui.fakes import NOW, job, training


def queue(*jobs: JobView, slots: int = 1, **engine: bool) -> Snapshot:
    names = tuple(f"cuda:{n}" for n in range(slots))
    return Snapshot(NOW, EngineStatus("connected", slots=names, **engine), jobs, loaded=True)


def going(number: int = 2, run: str = "a-1", eta: float = 600.0) -> JobView:
    return job(
        number,
        State.RUNNING,
        run=run,
        started=NOW - 60,
        progress=training(eta_s=eta, epoch=15.0, to_epoch=25),
    )


def drawn(number: int, seconds: float, n: int) -> JobView:
    args = {"checkpoint": "a-1@latest", "n": n}
    return job(
        number, State.DONE, "sample", run="a-1", args=args, started=NOW - 500, ended=NOW - 500 + seconds
    )


def draws(number: int, n: int, run: str = "a-1", **more: object) -> JobView:
    return job(number, State.QUEUED, "sample", run=run, args={"checkpoint": f"{run}@latest", "n": n}, **more)


def test_jobs_follow_one_another_on_one_device() -> None:
    found = forecast(queue(drawn(1, 30, 64), going(), draws(3, 64), draws(4, 128)))
    assert found.jobs["000002"].end == NOW + 600
    assert (found.jobs["000003"].start, found.jobs["000003"].end) == (NOW + 600, NOW + 630)
    assert (found.jobs["000004"].start, found.jobs["000004"].end) == (NOW + 630, NOW + 690)
    assert found.done == NOW + 690


def test_two_devices_work_at_once_and_a_run_trains_on_one_of_them() -> None:
    on = job(3, State.QUEUED, run="a-1", args={"from_epoch": 25, "to_epoch": 35})
    other = draws(4, 64, "b-1")
    found = forecast(queue(drawn(1, 30, 64), going(), on, other, slots=2))
    assert found.jobs["000003"].start == NOW + 600, "after the job of the same run"
    assert found.jobs["000003"].end == NOW + 1200, "as long an epoch as the run's worker needs now"
    assert found.jobs["000004"].start is not None


def test_what_nobody_can_know_stays_unknown() -> None:
    new = job(3, State.QUEUED, run="new-1", args={"from_epoch": 0, "to_epoch": 9})
    found = forecast(queue(going(), new, draws(4, 64)))
    assert found.jobs["000003"].start == NOW + 600
    assert found.jobs["000003"].end is None
    assert "000004" not in found.jobs
    assert found.done is None


def test_who_stands_still_is_not_counted_on_and_nobody_starts_on_hold() -> None:
    paused = replace(draws(3, 64), job=replace(draws(3, 64).job, state=State.PAUSED))
    found = forecast(queue(drawn(1, 30, 64), going(), paused, draws(4, 64)))
    assert "000003" not in found.jobs
    assert found.jobs["000004"].start == NOW + 600
    held = forecast(queue(drawn(1, 30, 64), going(), draws(4, 64), on_hold=True))
    assert set(held.jobs) == {"000002"}
    assert held.done is None


def test_five_hundred_jobs_cost_little() -> None:
    jobs = [drawn(n, 30, 64) for n in range(1, 100)] + [draws(n, 64) for n in range(100, 600)]
    found = forecast(queue(*jobs))
    assert found.done == NOW + 500 * 30
