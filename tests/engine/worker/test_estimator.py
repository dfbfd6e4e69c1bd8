"""The resident estimator: its figures are the job's, and it ends with whoever asked."""

import json
import os
import subprocess
import sys

import pytest

from engine.base.home import Home
from engine.config.store import build_profile
from engine.jobs.context import Work
from engine.jobs.files import new_job_folder, read_spec
from engine.training.estimate import estimate
from engine.worker.estimator import Newest
from tests.tiny import TINY


@pytest.fixture
def process(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "engine.worker.estimator", str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    yield child
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


def ask(process, number, profile):
    process.stdin.write(json.dumps({"id": number, "profile": profile}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def test_its_answers_are_the_job_s_and_mistakes_do_not_end_it(process, tmp_path):
    home = Home(tmp_path).create()
    args = {"profile": build_profile(TINY, "tiny").to_dict(), "measure": False}
    folder = new_job_folder(home, "estimate", None, args)
    figures = estimate(Work(home, folder, read_spec(folder)), build_profile(TINY, "tiny"), measure=False)
    answer = ask(process, 1, args["profile"])
    assert answer == {"id": 1, "figures": json.loads(json.dumps(figures))}
    wrong = {**args["profile"], "training": {**args["profile"]["training"], "device": "cuda:99"}}
    refused = ask(process, 2, wrong)
    assert (refused["id"], "cuda" in refused["error"]) == (2, True)
    process.stdin.write("no JSON\n")
    assert json.loads(process.stdout.readline())["id"] is None
    assert ask(process, 3, args["profile"])["figures"]["parameters"] == figures["parameters"]
    assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    process.stdin.close()
    assert process.wait(30) == 0


def test_the_end_of_its_input_ends_it_in_the_middle_of_loading(process):
    process.stdin.write(json.dumps({"id": 1, "profile": TINY}) + "\n")
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stdout.read() == ""


def test_of_letters_that_came_meanwhile_the_newest_is_taken():
    box = Newest()
    for letter in ("one", "two", "three"):
        box.put(letter)
    assert box.take() == "three"
