"""A full disk is known as one whatever library met it. A limit on the size of files stands for the disk: the system
answers in the same way, with another number."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.errors import DamagedError, DiskFullError, UserError
from engine.base.files import disk_errors, is_disk_full, unwritable

WRITES = {
    "numpy save": "import numpy; numpy.save(where, numpy.random.bytes(200_000))",
    "numpy tofile": "import numpy; numpy.zeros(200_000, numpy.uint8).tofile(where)",
    "numpy savez": "import numpy; numpy.savez(where, numpy.zeros(200_000, numpy.uint8))",
    "Pillow png": "picture.save(where + '.png')",
    "Pillow gif": "picture.save(where + '.gif')",
    "Pillow bmp": "picture.save(where + '.bmp')",
    "safetensors": "import numpy; from safetensors.numpy import save_file; "
    "save_file({'a': numpy.zeros(200_000, numpy.uint8)}, where)",
    "torch save": "import torch; torch.save(torch.zeros(200_000), where)",
    "sqlite": "import sqlite3; db = sqlite3.connect(where); db.execute('PRAGMA max_page_count = 10'); "
    "db.execute('CREATE TABLE t (x)'); "
    "db.execute('INSERT INTO t VALUES (zeroblob(200000))'); db.commit()",
    "matplotlib": "import matplotlib; matplotlib.use('Agg'); import matplotlib.pyplot as plt; "
    "figure = plt.figure(figsize=(8, 8)); figure.gca().imshow(picture); figure.savefig(where + '.png')",
    "zip": "import zipfile; zipfile.ZipFile(where, 'w').writestr('a', bytes(200_000))",
    "Python": "open(where, 'w').write('x' * 200_000)",
}

PROLOGUE = """
import resource, signal, sys
import numpy
from PIL import Image
from engine.base.files import is_disk_full
where = sys.argv[1]
picture = Image.fromarray(numpy.random.default_rng(0).integers(0, 255, (300, 300, 3), numpy.uint8))
{first}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    {write}
except Exception as error:
    if not is_disk_full(error):
        raise
    print("full")
"""


@pytest.mark.parametrize("library", WRITES)
def test_what_a_library_says_of_a_full_disk(tmp_path: Path, library: str) -> None:
    first = "; ".join(
        part for part in WRITES[library].split("; ") if part.startswith(("import", "from", "matplotlib."))
    )
    script = PROLOGUE.format(first=first, write=WRITES[library])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "file")], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "full\n", done.stderr


def test_the_error_behind_another_counts() -> None:
    error = RuntimeError("a library's own")
    error.__cause__ = OSError(28, "No space left on device")
    assert is_disk_full(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(13, "Permission denied"),
        RuntimeError("shapes differ"),
        ValueError("code: 27b"),
        DamagedError("x"),
    ],
)
def test_other_errors_are_none(error: Exception) -> None:
    assert not is_disk_full(error)
    with pytest.raises(type(error)), disk_errors(Path("x")):
        raise error


def test_what_a_person_named_has_its_own_code() -> None:
    assert isinstance(unwritable(Path("x"), OSError(28, "No space left on device"), "no"), DiskFullError)
    error = unwritable(Path("x"), OSError(13, "Permission denied"), "name another")
    assert isinstance(error, UserError)
    assert str(error) == "cannot write x (Permission denied) — name another"
