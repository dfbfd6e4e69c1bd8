"""ONNX files that are torn, altered, huge, or name other files as their weights: one line each, never a hang.

DDPM_SOAK says how many altered files are tried; DDPM_SOAK_SEED repeats a run.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engine.base.errors import UserError
from engine.evaluation.extractors import OnnxExtractor
from tests.engine.evaluation import onnx_file

pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[3]
TRIES = int(os.environ.get("DDPM_SOAK", "24"))


def with_weights_at(path: Path, location: str) -> Path:
    """A network that takes its weights from the file `location`."""
    onnx_file.write(path, factor=2.0, location=location)
    return path


@pytest.mark.parametrize(
    "location",
    ["../beside.data", "/etc/passwd", "/dev/zero", "sub/../../beside.data", "a" * 300 + "/../../beside.data"],
)
def test_weights_from_elsewhere_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "beside.data").write_bytes(b"\0\0\0@")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UserError, match="not beside it"):
        OnnxExtractor(with_weights_at(folder / "net.onnx", location))


def test_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "w").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="not beside it"):
        OnnxExtractor(with_weights_at(tmp_path / "folder" / "net.onnx", "w"))


@pytest.mark.timeout(60)
def test_a_pipe_in_place_of_weights_or_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w")
    with pytest.raises(UserError, match="a pipe, not a file"):
        OnnxExtractor(with_weights_at(tmp_path / "net.onnx", "w"))
    with pytest.raises(UserError, match="a pipe, not a file"):
        OnnxExtractor(tmp_path / "w")
    with pytest.raises(UserError, match="a device, not a file"):
        OnnxExtractor(Path("/dev/zero"))


@pytest.mark.timeout(60)
def test_a_huge_file_with_nothing_in_it_is_refused_unread(tmp_path: Path) -> None:
    sparse = tmp_path / "net.onnx"
    with open(sparse, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match=r"1,099,511,627,776 bytes"):
        OnnxExtractor(sparse)


def test_weights_beside_it_still_count(tmp_path: Path) -> None:
    net = OnnxExtractor(with_weights_at(tmp_path / "net.onnx", "net.onnx.data"))
    assert net.features(np.full((2, 3, 4, 4), 255, np.uint8))[0] == pytest.approx([2.0, 2.0, 2.0])


LOAD = """
import sys
from pathlib import Path
import numpy as np
from engine.base.errors import UserError
from engine.evaluation.extractors import OnnxExtractor
for name in sys.argv[1:]:
    try:
        OnnxExtractor(Path(name), 1).features(np.zeros((2, 3, 8, 8), np.uint8))
        print("used", flush=True)
    except UserError as error:
        assert "\\n" not in str(error)
        print("said", flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_altered_files_are_said_or_used(tmp_path: Path) -> None:
    """What a library crashes of costs one worker, which the queue counts; nothing may hang or end as a traceback."""
    seed = int(os.environ.get("DDPM_SOAK_SEED", random.SystemRandom().randrange(10**6)))
    dice = random.Random(seed)
    whole = onnx_file.write(tmp_path / "whole.onnx", factor=2.0).read_bytes()
    counts: Counter[str] = Counter()
    names = [str(tmp_path / "whole.onnx")]
    for number in range(TRIES):
        content = bytearray(whole)
        how = dice.choice(["cut", "bytes", "doubled", "zeros", "noise"])
        if how == "cut":
            del content[dice.randrange(len(content)) :]
        elif how == "bytes":
            for _ in range(dice.randint(1, 8)):
                content[dice.randrange(len(content))] = dice.randrange(256)
        elif how == "doubled":
            at = dice.randrange(len(content))
            content[at:at] = content[: dice.randrange(len(content))]
        elif how == "zeros":
            at = dice.randrange(len(content))
            content[at : at + 20] = bytes(20)
        else:
            content = bytearray(dice.randbytes(dice.randint(0, 500)))
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(content)
        names.append(str(path))
    while names:
        command = [sys.executable, "-c", LOAD, *names[:50]]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=300, cwd=ROOT
        )
        words = [line for line in done.stdout.splitlines() if line in ("used", "said")]
        counts.update(words)
        assert done.returncode <= 0, f"seed {seed}: {names[len(words)]}: {done.stderr[-800:]}"
        if done.returncode < 0:
            counts[f"the library died of {signal.Signals(-done.returncode).name}"] += 1
            words.append("dead")
        names = names[len(words) :] if done.returncode < 0 else names[50:]
    print(f"\nseed {seed}, {TRIES} altered ONNX files: {dict(counts)}")
    assert sum(counts.values()) == TRIES + 1
    assert counts["used"], "the whole one"
