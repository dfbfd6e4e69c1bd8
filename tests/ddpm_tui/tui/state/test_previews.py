"""Faces as the screens have them from files."""

from pathlib import Path

from PIL import Image

from ddpm_tui.tui.state.previews import training_faces
from engine.base.home import Home
from engine.config.store import build_profile
from engine.data.catalog import add_source
from engine.data.manifest import load_manifest
from engine.data.packing import pack
from engine.runs.record import create_run, freeze


def test_the_training_faces_are_those_that_the_run_began_with(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    (tmp_path / "pictures").mkdir()
    for n in range(20):
        Image.new("RGB", (16, 16), (200, 0, 0)).save(tmp_path / "pictures" / f"{n}.png")
    add_source(home, str(tmp_path / "pictures"), "drawn")
    packed = pack(home, "drawn", 16, "whole", processes=1)
    data = {"data": {"dataset": "drawn", "size": 16, "recipe": "whole"}}
    create_run(home, "older", build_profile(data, "drawn"))
    freeze(
        home.run("older"), data={"folder": packed.path.name, "fingerprint": load_manifest(packed).fingerprint}
    )
    for picture in (tmp_path / "pictures").iterdir():
        Image.new("RGB", (16, 16), (0, 0, 200)).save(picture)
    add_source(home, str(tmp_path / "pictures"), "drawn")
    pack(home, "drawn", 16, "whole", processes=1)
    create_run(home, "newer", build_profile(data, "drawn"))
    assert training_faces(home, "older")[0][0, 0].tolist() == [200, 0, 0]
    assert training_faces(home, "newer")[0][0, 0].tolist() == [0, 0, 200]
    assert training_faces(home, "no such run") == []
