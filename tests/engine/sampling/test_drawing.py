"""Drawing sets: seeds per picture, frames, files. The samplers themselves are tested in the diffusion room."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engine.base.errors import UserError
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.config.store import override_profile
from engine.device.plan import decide, gather
from engine.diffusion.samplers import SAMPLERS
from engine.models.build import make_schedule
from engine.sampling.drawing import MAX_FRAMES, batch_that_fits, draw, frame_steps
from engine.sampling.sheets import grid, save_gif, save_png, strip

PROFILE = override_profile(Profile(), ["data.size=16", "diffusion.steps=50", "training.precision=fp32"])
PLAN = decide(gather("cpu"), PROFILE)


class Network(nn.Module):
    """Something that depends on the picture and the time, picture by picture."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return torch.tanh(x * 0.7 + x.mean((1, 2, 3), keepdim=True)) * (1 + t.view(-1, 1, 1, 1) / 50)


def pictures(batch: int, count: int = 8, **changes: object) -> np.ndarray:
    settings = Settings.from_profile(PROFILE, **{"steps": 6, "seed": 5, **changes})
    drawn = list(draw(Network(), make_schedule(PROFILE), PROFILE, PLAN, settings, count, batch))
    assert [i for d in drawn for i in d.indices] == list(range(count))
    return np.concatenate([d.pictures for d in drawn])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_batch_size_changes_nothing(sampler: str) -> None:
    one, all_at_once = pictures(1, sampler=sampler), pictures(8, sampler=sampler)
    assert np.abs(one.astype(int) - all_at_once.astype(int)).max() <= 1
    assert not np.array_equal(one, pictures(8, sampler=sampler, seed=6))


def test_the_spacing_is_decided_before_anything_is_drawn() -> None:
    def spacing(**changes: object) -> str:
        return Settings.from_profile(PROFILE, **changes).spacing

    assert (spacing(), spacing(sampler="ddim"), spacing(sampler="ddpm")) == ("logsnr", "trailing", "trailing")
    assert (spacing(spacing="leading"), spacing(spacing="auto", sampler="ddim")) == ("leading", "trailing")
    assert np.array_equal(pictures(8), pictures(8, spacing="logsnr"))
    for other in ("trailing", "linspace", "leading"):
        assert not np.array_equal(pictures(8), pictures(8, spacing=other))


@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_an_eta_that_cannot_be_is_refused(eta: float) -> None:
    with pytest.raises(UserError, match=r"--eta .* is not within 0…1"):
        Settings.from_profile(PROFILE, sampler="ddim", eta=eta)


def test_fewer_pictures_are_the_first_of_more() -> None:
    assert np.array_equal(pictures(4, count=4), pictures(4, count=8)[:4])


def test_frames_begin_with_noise_and_end_with_the_picture() -> None:
    settings = Settings.from_profile(PROFILE, steps=6)
    drawn = list(draw(Network(), make_schedule(PROFILE), PROFILE, PLAN, settings, 5, 2, keep_frames=3))
    frames = [d.frames for d in drawn if d.frames is not None]
    joined = np.concatenate(frames, axis=1)
    assert joined.shape == (7, 3, 16, 16, 3)
    assert np.array_equal(joined[-1], np.concatenate([d.pictures for d in drawn])[:3])
    assert joined[0].std() > 60  # standard normal noise, scaled: about 93 with the clipped tails


def test_long_trajectories_are_thinned_and_keep_both_ends() -> None:
    assert len(frame_steps(1000)) == MAX_FRAMES - 1
    assert max(frame_steps(1000)) == 1000
    assert frame_steps(7) == frozenset(range(1, 8))


def test_more_steps_than_the_run_has_are_refused() -> None:
    with pytest.raises(UserError, match="not within 1…50"):
        Settings.from_profile(PROFILE, steps=51)


def test_batches_follow_memory() -> None:
    assert batch_that_fits(PROFILE, PLAN, 1 << 40) == 64
    assert batch_that_fits(PROFILE, PLAN, 1) == 1


def test_a_grid_keeps_order_and_gaps() -> None:
    tiles = np.stack([np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)])
    sheet = grid(tiles, columns=2, gap=1, scale=2)
    assert sheet.shape == (10, 14, 3)
    assert (sheet[:4, :6] == 10).all()
    assert (sheet[:4, 8:] == 20).all()
    assert (sheet[6:, :6] == 30).all()
    assert (sheet[4:6] == 0).all()


def test_a_strip_runs_from_the_first_frame_to_the_last() -> None:
    frames = np.arange(30, dtype=np.uint8)[:, None, None, None, None] * np.ones((1, 2, 4, 4, 3), np.uint8)
    sheet = strip(frames, count=4)
    assert sheet.shape == (4 * 2 + 2, 4 * 4 + 3 * 2, 3)
    assert sheet[0, 0, 0] == 0
    assert sheet[0, -1, 0] == 29


def test_files_open_again(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    save_png(tmp_path / "a.png", picture, {"run": "a", "note": "ε"})
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), picture)
        assert image.text == {"run": "a", "note": "ε"}  # type: ignore[attr-defined]
    save_gif(tmp_path / "a.gif", [picture, picture[::-1]])
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]


def test_settings_default_to_the_profile() -> None:
    settings = Settings.from_profile(PROFILE, steps=None, sampler=None)
    assert (settings.sampler, settings.steps) == ("dpmpp", 20)
    assert json.dumps(settings.__dict__)
