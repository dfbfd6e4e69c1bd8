"""Reading weights: also those of earlier versions, which called some modules otherwise."""

import re
from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.models.build import check_fits, read_weights
from tests.engine.models.test_unet import tiny

THEN = {"conv_in": "enter", "downsample": "shrink", "upsample": "grow", "conv_out": "leave"}


def test_weights_of_earlier_versions_get_the_names_of_today(tmp_path: Path) -> None:
    model = tiny()
    now = {name: parameter.detach() for name, parameter in model.named_parameters()}
    then = {re.sub(r"^\w+", lambda m: THEN.get(m[0], m[0]), name): value for name, value in now.items()}
    assert set(THEN.values()) <= {name.partition(".")[0] for name in then}
    save_file(then, tmp_path / "model.safetensors")
    found = read_weights(tmp_path / "model.safetensors")
    check_fits(dict(model.named_parameters()), found, tmp_path)
    assert all(torch.equal(found[name], value) for name, value in now.items())


def test_moments_of_earlier_versions_do_too(tmp_path: Path) -> None:
    path = tmp_path / "optimizer.safetensors"
    save_file({f"exp_avg.{then}.0.weight": torch.ones(1) for then in THEN.values()}, path)
    assert set(read_weights(path)) == {f"exp_avg.{now}.0.weight" for now in THEN}
