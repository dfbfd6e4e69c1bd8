"""Sliced Wasserstein: orders that anyone would agree with, on faces that the program draws."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from engine.base.errors import UserError
from engine.data.faces import faces as draw_faces
from engine.evaluation.wasserstein import _pyramid, sliced_wasserstein


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return draw_faces(0, 0, 160, 32).transpose(0, 3, 1, 2)


def blurred(pictures: np.ndarray, radius: float) -> np.ndarray:
    return np.stack(
        [
            np.asarray(Image.fromarray(p.transpose(1, 2, 0)).filter(ImageFilter.GaussianBlur(radius)))
            for p in pictures
        ]
    ).transpose(0, 3, 1, 2)


def test_worse_pictures_are_further(faces: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    train, other = faces[:80], faces[80:]
    noisy = np.clip(other + rng.normal(0, 110, other.shape), 0, 255).astype(np.uint8)
    noise = rng.integers(0, 256, other.shape, dtype=np.uint8)
    sets = (other, blurred(other, 0.8), blurred(other, 1.4), noisy, noise)
    found = [sliced_wasserstein(each, train, projections=64, patches=16).mean.value for each in sets]
    assert found == sorted(found)
    assert found[0] < 0.9 * found[1]


def test_the_level_that_was_hurt_shows_it(faces: np.ndarray) -> None:
    found = sliced_wasserstein(blurred(faces[80:], 0.8), faces[:80], projections=64, patches=16).levels
    whole = sliced_wasserstein(faces[80:], faces[:80], projections=64, patches=16).levels
    assert list(found) == [32, 16]
    assert found[32] / whole[32] > 1.3 * found[16] / whole[16]


def test_a_set_is_at_no_distance_from_itself_and_the_seed_decides_the_rest(faces: np.ndarray) -> None:
    same = sliced_wasserstein(faces[:20], faces[:20], projections=16, patches=8)
    assert same.mean.value == 0
    one = sliced_wasserstein(faces[:20], faces[20:60], projections=16, patches=8, seed=1)
    again = sliced_wasserstein(faces[:20], faces[20:60], projections=16, patches=8, seed=1)
    assert one == again
    assert one != sliced_wasserstein(faces[:20], faces[20:60], projections=16, patches=8, seed=2)
    assert one.mean.low <= one.mean.value <= one.mean.high


def test_the_pyramid_adds_up_to_the_picture(faces: np.ndarray) -> None:
    from torch.nn.functional import interpolate

    fine, coarse = _pyramid(faces[:3])
    back = fine + interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    assert np.allclose((back.numpy() + 1) * 127.5, faces[:3], atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "levels"), [((16, 16), [16]), ((64, 64), [64, 32, 16]), ((32, 48), [32, 16])]
)
def test_other_sizes(shape: tuple[int, int], levels: list[int]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (4, 3, *shape), dtype=np.uint8) for _ in range(2))
    assert list(sliced_wasserstein(a, b, projections=8, patches=4).levels) == levels


def test_sets_that_cannot_be_compared(faces: np.ndarray) -> None:
    with pytest.raises(UserError, match="32×32 and 16×32"):
        sliced_wasserstein(faces[:2], faces[:2, :, :, :16])
    with pytest.raises(UserError, match="1 picture"):
        sliced_wasserstein(faces[:1], faces)
    with pytest.raises(UserError, match="uint8"):
        sliced_wasserstein(faces[:2].astype(np.float32), faces)
    with pytest.raises(UserError, match=r"N, 3, H, W"):
        sliced_wasserstein(faces[:2].transpose(0, 2, 3, 1), faces)


def test_it_can_be_watched_and_stopped() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    parts: list[tuple[int, int]] = []
    sliced_wasserstein(pictures, pictures, on_part=lambda done, total: parts.append((done, total)))
    assert parts == [(done, 26) for done in range(1, 27)], (
        "two levels, each of three parts and ten of the jackknife"
    )

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sliced_wasserstein(pictures, pictures, on_part=stop)
