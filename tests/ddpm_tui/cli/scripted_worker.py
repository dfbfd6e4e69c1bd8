"""A worker without torch that acts out one ending, named by DDPM_ACT; the command line cannot tell it from ours."""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from engine.base.folders import JobFolder
from engine.jobs.files import Progress, Result, read_spec, write_progress, write_result

act = os.environ["DDPM_ACT"]
folder = JobFolder(Path(sys.argv[1]))
spec = read_spec(folder)
asked: list[int] = []


def hear(number: int, _: FrameType | None) -> None:
    asked.append(number)
    with open(folder.path / "heard", "a") as file:
        file.write(f"{signal.Signals(number).name}\n")
    if asked.count(signal.SIGINT) > 1 and act != "deaf":
        os._exit(130)


def say(text: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def end(outcome: str, code: int, message: str, hint: str | None = None) -> None:
    say(message)
    write_result(folder, Result(outcome, code, message, hint, spec.run))
    sys.exit(code)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, hear)
(folder.path / "session").write_text(str(os.getsid(0)))
print("a library warns of something")
say("epoch 1: train 0.5")
write_progress(
    folder, Progress("training", 5, 10, epoch=0.5, to_epoch=1.0, images_per_s=123.0, time=time.time())
)
if act == "done":
    end("done", 0, "all of it is done")
if act == "failed":
    say("error: the disk is on fire")
    end("failed", 1, "the disk is on fire", "call the fire brigade")
if act == "full":
    end("disk_full", 73, "no room to write it", "free some space")
if act == "crash":
    print("Traceback: the last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
if act == "silent":
    sys.exit(3)
deadline = time.monotonic() + 120
while time.monotonic() < deadline:
    time.sleep(0.02)
    if asked and act == "stops":
        end("stopped", 75, "stopped at step 5", "go on with: ddpm-tui train it")
    if asked and act in ("fills", "breaks"):
        outcome, code = ("disk_full", 73) if act == "fills" else ("failed", 1)
        end(outcome, code, "no room for the last checkpoint", "free some space")
end("failed", 1, "nobody stopped it")
