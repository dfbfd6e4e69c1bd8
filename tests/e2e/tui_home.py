"""A home with a small data set and a quick profile, and the engine of it stopped afterwards."""

import time
from pathlib import Path

from PIL import Image

from engine.base.home import Home
from engine.data.catalog import add_source
from tests.ddpm_tui.fakes import face

PROFILE = """
description = "a small net on small pictures, for tests"
[data]
dataset = "drawn"
size = 16
recipe = "whole"
[model]
width = 16
multipliers = [1, 2]
blocks_per_level = 1
head_dim = 16
[diffusion]
steps = 50
[optim]
lr = 2e-3
warmup_steps = 10
[training]
epochs = 4000
chunk_epochs = {chunk}
batch_size = 32
log_every = 2
preview_every = {preview}
preview_count = 4
validation_pictures = 8
threads = 1
keep_epochs = [1]
[sampling]
steps = 4
"""


def make_home(root: Path, chunk: int = 1000, preview: int = 20) -> Home:
    """With the data set "drawn" and the profile "tiny"."""
    home = Home(root).create()
    pictures = root.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    for seed in range(160):
        Image.fromarray(face(seed, 16)).save(pictures / f"{seed:03d}.png")
    add_source(home, str(pictures), "drawn")
    home.user_profile("tiny").write_text(PROFILE.format(chunk=chunk, preview=preview))
    return home


def stop_engine(home: Home) -> None:
    """The engine of this home and its workers, asked nicely, waited for."""
    from engine.base.files import is_locked
    from engine.client.sync import Client, NotRunningError
    from engine.jobs.files import is_running, list_job_folders

    try:
        with Client(home) as client:
            client.request("stop", jobs=True)
    except NotRunningError:
        pass
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if not is_locked(home.engine_lock) and not any(is_running(j) for j in list_job_folders(home)):
            return
        time.sleep(0.1)
