"""Requests to the queue, each with its message and its undo. Shared by several screens."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from ddpm_tui.tui.state.shell import request
from ddpm_tui.tui.state.snapshot import JobView
from ddpm_tui.words import plural
from engine.base.errors import UserError
from engine.client.sync import token
from engine.service.states import Intent, job_number

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp


async def ask(app: "DdpmApp", do: str, **args: Any) -> Any:
    """Send one request, then look at its effect at once."""
    app.echo(request(do, args))
    try:
        return await app.store.link.request(do, **args)
    finally:
        await app.store.caught_up()  # the next key applies to the new state


async def train(app: "DdpmApp", target: str, **wish: Any) -> Any:
    """Queue training of a run or profile (chunks, to_epoch, run, set, new, priority as the service takes them)."""
    reply = await ask(app, "train", target=target, token=token(), **wish)
    _said(app, reply, "training")
    return reply


async def add(app: "DdpmApp", kind: str, args: dict[str, Any]) -> Any:
    """Queue another kind of job: sample, evaluate, pack, estimate. A "priority" among the args is the job's own."""
    given = {key: value for key, value in args.items() if value is not None}
    priority = given.pop("priority", None)
    reply = await ask(app, "add", kind=kind, args=given, priority=priority, token=token())
    _said(app, reply, kind)
    return reply


def _said(app: "DdpmApp", reply: dict[str, Any], kind: str) -> None:
    sentences = reply.get("says") or ()
    says = "; ".join(sentences)
    job = reply.get("job") or {}
    if not reply.get("added"):
        app.say(says or f"nothing was added: {kind}", "warn")
        return
    job_id = str(job.get("id", ""))
    number = job_number(job_id)
    queued = f"queued as job {number}"
    # The line is cut at its end, so the first way of saying it that fits: all, the first sentence, the job's title.
    ways = [f"{queued}: {words}" for words in (says, *sentences[:1], job.get("title")) if words] or [queued]
    app.say(next((way for way in ways if cell_len(way) < app.size.width), ways[-1]))
    _push_added(app, job_id)


def _push_added(app: "DdpmApp", job_id: str) -> None:
    """Push the undo of an added job: cancelling it; the redo queues it again: it stays the same job."""
    number = job_number(job_id)

    async def again() -> None:
        await change(app, "retry", [job_id])
        app.say(f"job {number} is queued again")
        _push_added(app, job_id)

    app.undo.push(
        f"job {number} is cancelled",
        _doer(app, "cancel", [job_id]),
        _not_over(app, job_id),
        does=f"job {number} is queued",
        again=again,
    )


async def change(app: "DdpmApp", do: str, ids: Sequence[str], **args: Any) -> list[str]:
    """Pause, resume, cancel, retry or hold jobs; return the ids of those that took it.

    Raises UserError with the service's reason if none did; if some did not, the reason of the first of them
    is shown."""
    results = await ask(app, do, ids=list(ids), **args)
    told = [
        (job_id, str((r or {}).get("error") or "")) for job_id, r in zip(ids, results or (), strict=False)
    ]
    refused = [error for _, error in told if error]
    done = [job_id for job_id, error in told if not error] if told else list(ids)
    if refused and not done:
        raise UserError(refused[0])
    if refused:
        app.say(f"{plural(len(refused), 'job')} not changed: {refused[0]}", "warn")
    return done


async def _act(app: "DdpmApp", ids: Sequence[str], do: str, says: str, undo: str, undoes: str) -> None:
    """Do it to these jobs, report it and push its undo.

    do, undo: verbs of the service · says, undoes: the message about each, behind the jobs' names, with "are"
    and "(s)" in the forms that they need."""
    done = await change(app, do, ids)
    said = _said_of(done, says)
    if len(done) == len(ids):
        app.say(said)
    again = partial(_act, app, done, do, says, undo, undoes)
    app.undo.push(_said_of(done, undoes), _doer(app, undo, done), does=said, again=again)


def _said_of(ids: Sequence[str], words: str) -> str:
    """Return "job 3 is cancelled" or "4 jobs are cancelled"."""
    if len(ids) == 1:
        return f"job {job_number(ids[0])} {words.replace('are ', 'is ').replace('(s)', 's')}"
    return f"{len(ids)} jobs {words.replace('(s)', '').replace('its ', 'a ')}"


async def pause_or_resume(app: "DdpmApp", views: Sequence[JobView]) -> None:
    """Resume the jobs if all stand still, else pause those that do not."""
    resumable = [
        v.id for v in views if v.job.takes("resume") or (v.job.live and v.job.intent is Intent.PAUSE)
    ]
    rest = [v for v in views if v.id not in resumable]
    going = [v for v in rest if not v.job.over]
    if resumable and not going:
        await _act(app, resumable, "resume", "are resumed", "pause", "are paused again")
    elif not going:
        over = rest[0]
        raise UserError(
            f"job {job_number(over.id)} is {over.state}", f"{app.key('queue.retry')} brings it back"
        )
    else:
        live = " after its checkpoint" if any(v.job.live for v in going) else ""
        says = f"pause(s){live}"
        await _act(app, [v.id for v in going], "pause", says, "resume", "are resumed")


async def cancel(app: "DdpmApp", views: Sequence[JobView]) -> None:
    """Cancel the jobs that are not over. Raises UserError if all are."""
    going = [v for v in views if not v.job.over]
    if not going:
        raise UserError(f"job {job_number(views[0].id)} is {views[0].state} already")
    live = " after a checkpoint" if any(v.job.live for v in going) else ""
    says = f"stop(s){live}" if live else "are cancelled"
    await _act(app, [v.id for v in going], "cancel", says, "retry", "are queued again")


async def retry(app: "DdpmApp", views: Sequence[JobView]) -> None:
    """Retry the jobs that can be retried; if none can, report the service's reason."""
    able = [v.id for v in views if v.job.takes("retry")] or [v.id for v in views]
    await _act(app, able, "retry", "are queued again", "cancel", "are cancelled again")


def _not_over(app: "DdpmApp", job_id: str) -> Callable[[], None]:
    """Return a check that refuses to cancel a job that has ended meanwhile."""

    def check() -> None:
        view = app.snapshot.job(job_id)
        if view is not None and view.job.over:
            raise UserError(f"job {job_number(job_id)} is {view.state}")

    return check


def _doer(app: "DdpmApp", do: str, ids: Sequence[str]) -> Callable[[], Awaitable[None]]:
    """Return the undo of a change: another change to the same jobs."""

    async def back() -> None:
        await change(app, do, ids)

    return back
