"""The service process: a single instance ensured by a lock, its log, its loop, its end.

`python -m engine.service` starts it detached, in its own session without inherited descriptors, and returns when the
socket answers or with the reason for a failure. `--foreground` does not detach, for systemd and containers.
"""

import asyncio
import contextlib
import faulthandler
import gc
import logging
import logging.handlers
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine.base.errors import DdpmError, UserError
from engine.base.failpoints import reach
from engine.base.files import FileLock
from engine.base.home import Home
from engine.base.scarcity import ScarceError, allow_enough_files, is_scarce, scarce
from engine.base.version import VERSION
from engine.jobs.files import AHEAD
from engine.service.address import place_socket
from engine.service.commands import Commands
from engine.service.database import UnwritableError
from engine.service.dispatcher import Dispatcher
from engine.service.launchers import launcher_named
from engine.service.leftovers import sweep
from engine.service.live import Live
from engine.service.protocol import encode, error_to_wire
from engine.service.queue import Queue
from engine.service.server import Server
from engine.service.settings import read_settings
from engine.service.states import Intent
from engine.service.store import StaleError

log = logging.getLogger(__name__)

AGAIN_S = 1.0
LONGEST_PAUSE_S = 60.0
"""The first pause before a failed part of the engine is restarted, and the longest; the pause doubles each time."""

GUARD_S = 30.0
"""Seconds between checks that the home and the socket's name in it still exist."""


def take_engine_lock(home: Home) -> FileLock:
    """Take the lock of the home's only engine. Raises BusyError if another engine holds it, UserError if the home
    cannot be written to.
    """
    home.create()
    try:
        lock = FileLock.acquire(home.engine_lock, f"the engine of {home.root}", "it is running already")
        lock.describe(f"pid {os.getpid()}")
    except OSError as error:
        raise UserError(
            f"cannot write to {home.root} ({error.strerror})",
            "free some space, or set DDPM_HOME to a folder you own",
        ) from None
    return lock


class Daemon:
    """All parts of one service. `lock`: the lock of `home`, which it holds."""

    def __init__(self, home: Home, lock: FileLock) -> None:
        self.home = home
        self.lock = lock
        self.queue = Queue.open(home)
        launcher = launcher_named(read_settings(home.settings)[0].launcher, home)
        self.engine = Dispatcher(home, self.queue, launcher)
        self._stop = asyncio.Event()
        self.commands = Commands(home, self.queue, self.engine, self._stop.set)
        self.server = Server(place_socket(home), self.commands.handle, VERSION, self._facts)
        self.live = Live(home, self.queue, self.engine, self.server, self.commands.wire)
        self.commands.facts = {"version": VERSION, "socket": str(self.server.path), **_manager()}
        self.commands.subscribed = self.live.look
        self.server.subscribed = self.live.look
        self.server.was_short = self.queue.say_shortage

    def _facts(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "home": str(self.home.root)}

    async def run(self, ready: Any) -> None:
        """Recover, listen, call `ready()`, and run until asked to stop."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._stray_failure)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal does not concern the service
        # A batch system sends these to all processes of a job before its end: workers handle them, once they listen.
        for number in AHEAD:
            signal.signal(number, signal.SIG_IGN)
        # Listen first: a recovery that waits for a full disk must not look like a dead engine.
        await self.server.start()
        reach("service.listening")
        ready()
        recovering = loop.create_task(self._recover_and_run())
        telling = loop.create_task(self._keep_going("telling subscribers", self.live.run))
        guarding = loop.create_task(self._keep_going("guarding the engine's place", self._guard_place))
        await self._stop.wait()
        log.info("stopping; %d workers", self.engine.supervisor.worker_count)
        # Tell clients that the stop is intended: a screen would otherwise start an engine again at once.
        self.server.broadcast("engine", "stopping", {"event": "stopping"})
        self.engine.stop()
        with contextlib.suppress(TimeoutError):  # a start in progress is recorded first
            await asyncio.wait_for(recovering, 10.0)
        if self.commands.stops_jobs:
            await self._until_idle()
        telling.cancel()
        guarding.cancel()
        await self.engine.supervisor.close()
        await self.server.close()
        self.queue.close()

    async def _keep_going(self, doing: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the engine until it ends. If it fails, the failure is reported and the part is started again,
        because otherwise no jobs would start or no clients be informed. Only for parts that can be started anew.
        """
        pause = AGAIN_S
        while True:
            try:
                await part()
                return
            except Exception as error:
                self.queue.trouble(doing, doing, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _stray_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle uncaught failures: of asyncio, which retries when it cannot accept a connection, or bugs."""
        error = context.get("exception") or RuntimeError(str(context.get("message")))
        self.queue.trouble("stray", str(context.get("message", "a task")), error)

    async def _recover_and_run(self) -> None:
        try:
            await self.engine.supervisor.recover()
        except Exception as error:  # future jobs can still be started
            self.queue.trouble("recovery", "taking up earlier jobs", error)
        reach("service.recovered")
        if gone := await asyncio.to_thread(sweep, self.home):
            log.info("%d leftovers of killed processes are removed", gone)
        # Do not scan long-lived objects again and again.
        gc.collect()
        gc.freeze()
        await self._keep_going("starting jobs", self.engine.run)

    async def _until_idle(self) -> None:
        """Wait until every worker has ended. A worker that was just starting is asked to stop now, and each is killed
        if it takes too long.
        """
        supervisor = self.engine.supervisor
        while supervisor.worker_count:
            for job in list(self.queue.jobs.values()):
                if job.live and job.intent is None and supervisor.has_worker(job):
                    with contextlib.suppress(StaleError, UnwritableError, ScarceError):
                        await supervisor.ask(job, Intent.STOP)
            await asyncio.sleep(0.1)

    def _is_homeless(self) -> bool:
        """Return whether the home was deleted, and possibly created again for another engine. If only the lock was
        deleted, the queue is kept.
        """
        return self.lock.deleted and (self.home.engine_lock.exists() or not self.home.queue_db.exists())

    async def _guard_place(self) -> None:
        while True:
            await asyncio.sleep(GUARD_S)
            if self._is_homeless():
                # Its workers end by themselves, at the first file that they cannot write.
                log.warning("%s was deleted: the engine ends", self.home.root)
                self._stop.set()
            elif not self.server.is_reachable():
                log.warning("the socket's name was taken away; binding it again")
                with contextlib.suppress(OSError):
                    await self.server.restart()


def _manager() -> dict[str, str]:
    """Return what keeps the service running: a systemd user manager, or nothing."""
    return {"keeper": "systemd" if os.environ.get("DDPM_KEEPER") == "systemd" else "itself"}


def run_here(home: Home, ready: Any = lambda: None) -> None:
    """Run the service until it is stopped. Raises DdpmError if it cannot start."""
    allow_enough_files()
    lock = take_engine_lock(home)
    _start_log(home)
    log.info("engine %s, pid %d, home %s", VERSION, os.getpid(), home.root)
    try:
        asyncio.run(_run(home, lock, ready))
    except Exception:
        log.exception("the engine failed")
        raise
    finally:
        log.info("ended")
        lock.release()


async def _run(home: Home, lock: FileLock, ready: Any) -> None:
    await Daemon(home, lock).run(ready)


def _start_log(home: Home) -> None:
    """Log to engine.log, at most a few MB; on a full disk, lines are lost but the service continues."""
    logging.raiseExceptions = False
    handler: logging.Handler
    try:
        handler = logging.handlers.RotatingFileHandler(home.engine_log, maxBytes=2 << 20, backupCount=1)
        home.engine_log.chmod(0o600)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def detach(home: Home) -> int:
    """Start the service in its own process and wait until it answers. Returns an exit code; a failure is one line of
    JSON on stdout.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with open(reading, "rb") as pipe:
            said = pipe.read()
        if said == b"ready":
            return 0
        if not said:
            os.waitpid(child, 0)
            said = encode(
                error_to_wire(DdpmError("the engine died while starting", f"see {home.engine_log}"))
            )
        print(said.decode().strip(), flush=True)
        return 1
    os.close(reading)
    os._exit(_be_the_service(home, writing))


def _be_the_service(home: Home, writing: int) -> int:
    os.setsid()
    _let_go_of_everything(home, keep=writing)

    def say(text: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(writing, text)
            os.close(writing)

    try:
        run_here(home, lambda: say(b"ready"))
    except DdpmError as error:
        say(encode(error_to_wire(error)))
        return error.exit_code
    except BaseException as error:
        if is_scarce(error):
            say(encode(error_to_wire(scarce(error, "the engine cannot start"))))
            return 1
        why = str(error) if isinstance(error, OSError) else repr(error)  # repr would omit the file's name
        say(encode(error_to_wire(DdpmError(f"the engine failed: {why}", f"see {home.engine_log}"))))
        return 1
    return 0


def _let_go_of_everything(home: Home, keep: int) -> None:
    """Close all inherited descriptors, because an open one would keep the client's ssh connection open."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null, standard)
    try:
        errors = os.open(home.engine_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        errors = null
    os.dup2(errors, 2)
    highest = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, keep)
    os.closerange(keep + 1, min(highest, 65536) if highest > 0 else 65536)
    os.chdir(home.root if home.root.is_dir() else "/")
    os.umask(0o077)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - stays open for the process's life
    faulthandler.enable(file=2)


def main(argv: list[str]) -> int:
    foreground = "--foreground" in argv
    places = [argument for argument in argv if not argument.startswith("--")]
    home = Home(Path(places[0]).absolute()) if places else Home.find()
    if not foreground:
        return detach(home)
    try:
        run_here(home)
    except DdpmError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0
