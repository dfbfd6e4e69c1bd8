"""The order of the queue, as the database keeps it: exact, however many jobs enter and are moved."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.base.home import Home
from engine.service import schema
from engine.service.queue import Queue
from engine.service.states import Job, Priority, State
from engine.service.store import QueueStore, StaleError

from .support import Service, add

PRIORITIES = st.sampled_from(list(Priority))


class Order(RuleBasedStateMachine):
    """A store beside a plain list of (id, priority)."""

    @initialize()
    def open(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.store = QueueStore(Path("none"), self.connection, True, None)
        schema.create(self.connection)
        self.jobs: dict[str, Job] = {}
        self.line: list[tuple[str, Priority]] = []
        self.over: list[str] = []

    def know(self, changed: list[Job]) -> Job:
        """What memory hears of: every row that changed, and no other."""
        self.jobs |= {job.id: job for job in changed}
        return changed[0]

    def expect_entry(self, job: Job) -> None:
        at = next((i for i, (_, p) in enumerate(self.line) if p < job.priority), len(self.line))
        self.line.insert(at, (job.id, job.priority))

    @rule(priority=PRIORITIES, count=st.integers(1, 40))
    def enter(self, priority: Priority, count: int) -> None:
        for _ in range(count):
            job = Job(f"{len(self.jobs) + 1:06d}", "sample", priority=priority)
            self.know(self.store.enter(job))
            self.expect_entry(job)

    @precondition(lambda self: len(self.line) > 3)
    @rule(data=st.data(), times=st.integers(1, 40))
    def move(self, data: st.DataObject, times: int) -> None:
        ids = [job_id for job_id, _ in self.line]
        a, b, before = data.draw(st.permutations(ids).map(lambda found: found[:3]))
        # One job after the other before the same third one: the room between halves each time.
        for _ in range(times):
            a, b = b, a
            self.know(self.store.move([a], before))
            moved = next(place for place in self.line if place[0] == a)
            self.line.remove(moved)
            self.line.insert([job_id for job_id, _ in self.line].index(before), moved)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(self.line))
        job = self.store.transition(self.jobs[place[0]], [State.QUEUED], State.CANCELLED, "")
        self.know([job])
        self.line.remove(place)
        self.over.append(job.id)

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def bring_back(self, data: st.DataObject) -> None:
        job = self.jobs[data.draw(st.sampled_from(self.over))]
        self.expect_entry(self.know(self.store.bring_back(job, [State.CANCELLED], "again")))
        self.over.remove(job.id)

    @invariant()
    def memory_and_disk_have_the_order_of_the_list(self) -> None:
        wanted = [job_id for job_id, _ in self.line]
        assert [job.id for job in self.store.jobs() if not job.over] == wanted
        active = [job for job in self.jobs.values() if not job.over]
        assert [job.id for job in sorted(active, key=lambda job: (job.rank, job.id))] == wanted
        assert len({job.rank for job in active}) == len(active), "two jobs at one place"


TestOrder = Order.TestCase
TestOrder.settings = settings(max_examples=40, stateful_step_count=25)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[QueueStore]:
    store = QueueStore.open(tmp_path / "queue.db")
    yield store
    store.close()


def ids(store: QueueStore) -> list[str]:
    return [job.id for job in store.jobs()]


def test_a_queue_whose_ranks_are_halves_of_halves_opens_and_its_order_stays(
    tmp_path: Path, store: QueueStore
) -> None:
    """As versions before this one wrote it: from the 55th job with a priority on, ranks are equal."""
    low = 0.0
    for number in range(1, 71):
        store.insert(Job(f"{number:06d}", "sample", priority=Priority.HIGH, rank=low))
        low = (low + 1.0) / 2
    store.insert(Job("000099", "train", rank=1.0))
    before = ids(store)
    store.close()
    again = QueueStore.open(tmp_path / "queue.db")
    assert ids(again) == before, "opened as it was"
    again.enter(Job("000100", "sample", priority=Priority.HIGH))
    again.move(["000003"], "000001")
    assert ids(again) == ["000003", "000001", "000002", *before[3:-1], "000100", "000099"]
    again.close()


def test_a_job_cannot_be_moved_before_one_that_is_over(store: QueueStore) -> None:
    first, second = (store.insert(Job(f"{n:06d}", "sample", rank=float(n))) for n in (1, 2))
    store.transition(first, [State.QUEUED], State.CANCELLED, "")
    with pytest.raises(StaleError, match="has already ended"):
        store.move([second.id], first.id)


async def test_the_queue_in_memory_hears_of_everyone_who_got_another_rank(home: Home) -> None:
    queue = Queue.open(home)
    await queue.add(lambda: Job("000900", "train"))
    for number in range(1, 101):
        await queue.add(lambda n=number: Job(f"{n:06d}", "sample", priority=Priority.HIGH))
    wanted = [*(f"{n:06d}" for n in range(1, 101)), "000900"]
    assert [job.id for job in queue.ordered()] == wanted
    queue.close()
    again = Queue.open(home)
    again.close()
    assert [job.id for job in again.ordered()] == wanted


def test_a_hundred_jobs_with_a_priority_stay_in_the_order_in_which_they_came(service: Service) -> None:
    service.request("hold_queue", on=True)
    normal = add(service, priority="normal")
    high = [add(service, priority="high") for _ in range(100)]
    listed = [job["id"] for job in service.request("list", all=True)["jobs"]]
    assert listed == [*high, normal]
