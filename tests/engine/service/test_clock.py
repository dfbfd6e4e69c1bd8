"""The clock set back by an hour under a queue that was filled before: nothing waits, nothing is lost or reordered."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from engine.base.home import Home
from tests.clock import shifted

from .support import ROOT, Service, close_gate, ends, make_run, open_gate, wait_for

HOUR = 3600.0


def test_set_back_by_an_hour(home: Home, tmp_path: Path, services: Callable[..., Service]) -> None:
    make_run(home, "s")
    close_gate(home, "6")
    later = services(home, **shifted(tmp_path, HOUR, ROOT))
    first = later.until(later.request("add", kind="sample", args={})["job"]["id"])
    running = str(later.request("train", target="r", to_epoch=12)["job"]["id"])
    waiting = str(later.request("train", target="s", to_epoch=1)["job"]["id"])
    wait_for(lambda: home.run("r").metrics.exists() and home.run("r").metrics.read_text().count("\n") == 5)
    worker = later.job(running)["pid"]
    later.kill()

    present = services(home)
    adopted = present.job(running)
    assert adopted["created"] > adopted["started"] - HOUR
    assert first["ended"] > present.request("status")["started"] + HOUR / 2, "the clock was not set back"
    assert (adopted["state"], adopted["pid"]) == ("running", worker)

    # A worker that dies now is started again at once: no moment of before is waited for.
    os.kill(worker, signal.SIGKILL)
    open_gate(home, "6")
    done = present.until(running)
    assert (done["state"], ends(done)) == ("done", 1)
    assert home.run("r").metrics.read_text().count("\n") == 48
    assert present.until(waiting)["state"] == "done"
    last = present.until(present.request("add", kind="sample", args={})["job"]["id"])

    listed = [job["id"] for job in present.request("list")["jobs"]]
    assert (listed[0], listed[-1]) == (first["id"], last["id"]), "in the order in which they ended"
    present.kill()
    assert [job["id"] for job in present.request("list")["jobs"]] == listed
    assert re.search(r", for \d{1,2} s, ", present.command_line("engine", "status").stdout)
