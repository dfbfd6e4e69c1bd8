"""What people ask of the queue, with what is said about it and how it is taken back. Shared by several screens."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from ddpm_tui.tui.state.snapshot import JobView
from engine.base.errors import UserError
from engine.client.sync import token
from engine.service.states import Intent, job_number

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp


async def ask(app: "DdpmApp", do: str, **args: Any) -> Any:
    """One request, and a look at what came of it."""
    try:
        return await app.store.link.request(do, **args)
    finally:
        await app.store.caught_up()  # the next key is about what is there now


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
        app.say(says or f"nothing was added for {kind}", "warn")
        return
    job_id = str(job.get("id", ""))
    number = job_number(job_id)
    queued = f"queued as job {number}"
    # The line is cut at its end, so the first way of saying it that fits: all, the first sentence, the job's title.
    ways = [f"{queued}: {words}" for words in (says, *sentences[:1], job.get("title")) if words] or [queued]
    app.say(next((way for way in ways if cell_len(way) < app.size.width), ways[-1]))
    app.undo.push(f"job {number} is cancelled", _doer(app, "cancel", job_id), _not_over(app, job_id))


async def change(app: "DdpmApp", do: str, job_id: str, **args: Any) -> dict[str, Any]:
    """pause, resume, cancel, retry, hold on one job. Raises UserError with the service's reason."""
    results = await ask(app, do, ids=[job_id], **args)
    first: dict[str, Any] = results[0] if results else {}
    if first.get("error"):
        raise UserError(str(first["error"]))
    return first


async def pause_or_resume(app: "DdpmApp", view: JobView) -> None:
    """Whatever the job's state asks for; undo does the other."""
    number = job_number(view.id)
    if view.job.takes("resume") or (view.job.live and view.job.intent is Intent.PAUSE):
        await change(app, "resume", view.id)
        app.say(f"job {number} resumed")
        app.undo.push(f"job {number} is paused again", _doer(app, "pause", view.id))
    elif view.job.over:
        raise UserError(f"job {number} is {view.state}", f"{app.key('queue.retry')} brings it back")
    else:
        await change(app, "pause", view.id)
        live = " after its checkpoint" if view.job.live else ""
        app.say(f"job {number} pauses{live}")
        app.undo.push(f"job {number} is resumed", _doer(app, "resume", view.id))


async def cancel(app: "DdpmApp", view: JobView) -> None:
    await change(app, "cancel", view.id)
    number = job_number(view.id)
    app.say(f"job {number} stops after a checkpoint" if view.job.live else f"job {number} is cancelled")
    app.undo.push(f"job {number} is queued again", _doer(app, "retry", view.id))


async def retry(app: "DdpmApp", view: JobView) -> None:
    await change(app, "retry", view.id)
    app.say(f"job {job_number(view.id)} is queued again")
    app.undo.push(f"job {job_number(view.id)} is cancelled again", _doer(app, "cancel", view.id))


def _not_over(app: "DdpmApp", job_id: str) -> Callable[[], None]:
    """Refuses to cancel what has ended meanwhile."""

    def check() -> None:
        view = app.snapshot.job(job_id)
        if view is not None and view.job.over:
            raise UserError(f"job {job_number(job_id)} is {view.state}")

    return check


def _doer(app: "DdpmApp", do: str, job_id: str) -> Callable[[], Awaitable[None]]:
    """The way back of a change: another one on the same job."""

    async def back() -> None:
        await change(app, do, job_id)

    return back
