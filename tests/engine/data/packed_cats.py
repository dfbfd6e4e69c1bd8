"""What the tests of packing share: the size of the data set `cats`, and a process that packs it."""

import hashlib
import os
import subprocess
import sys

from engine.base.folders import PackedFolder
from engine.base.home import Home

SIZE = 16
COUNT = 300  # five blocks of 64


def digests(folder: PackedFolder) -> dict[str, str]:
    """SHA-256 of each file of a packed folder but the lock."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.path.iterdir())
        if path.name != "lock"
    }


def run_pack(home: Home, failpoints: str = "", wait: bool = True) -> "subprocess.Popen[bytes]":
    """Pack `cats` of a home in a process of its own, with two decoders and with failpoints."""
    code = (
        "import sys; from pathlib import Path; from engine.base.home import Home; from engine.data.packing import pack;"
        f"pack(Home(Path(sys.argv[1])), 'cats', {SIZE}, 'box128', processes=2,"
        " report=lambda d, t, s: print(d, s, flush=True))"
    )
    environment = {**os.environ, "DDPM_FAILPOINTS": failpoints}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(home.root)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if wait:
        child.wait(60)
    return child
