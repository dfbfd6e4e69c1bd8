"""Distances of features against closed forms and against arithmetic written another way."""

import itertools

import numpy as np
import pytest

from engine.base.errors import UserError
from engine.evaluation.frechet import (
    FeatureStatistics,
    frechet_distance,
    kernel_distance,
    kid,
    precision_recall,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def statistics(mean: np.ndarray, covariance: np.ndarray) -> FeatureStatistics:
    return FeatureStatistics(mean, covariance, 100)


def test_gaussians_whose_distance_is_known() -> None:
    one = statistics(np.zeros(3), np.diag([1.0, 4, 9]))
    other = statistics(np.array([1.0, 2, 2]), np.diag([4.0, 4, 1]))
    # Diagonal covariances commute: the sum of (σ − σ')² and the means' squared distance.
    assert frechet_distance(one, other) == pytest.approx(9 + 1 + 0 + 4)
    assert frechet_distance(other, one) == pytest.approx(14)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_covariances_that_do_not_commute(rng: np.random.Generator) -> None:
    """Against the root of Σ_a Σ_b itself, from the eigenvalues of a matrix that is not symmetric."""
    a, b = (FeatureStatistics.of(rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))) for _ in range(2))
    root = np.sqrt(np.linalg.eigvals(a.covariance @ b.covariance).astype(complex)).sum().real
    expected = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance + b.covariance) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_fewer_rows_than_features_stay_finite_and_small(rng: np.random.Generator) -> None:
    features = rng.normal(size=(10, 64))
    a = FeatureStatistics.of(features)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(frechet_distance(a, FeatureStatistics.of(features + 1)))
    assert frechet_distance(a, FeatureStatistics.of(features + 1)) == pytest.approx(64, rel=1e-6)


def test_few_rows_take_a_shorter_way_to_the_same_distance(rng: np.random.Generator) -> None:
    many, few = rng.normal(size=(200, 30)) @ rng.normal(size=(30, 30)), rng.normal(0.5, 2, (12, 30))
    known, short = FeatureStatistics.of(many), FeatureStatistics.of(few)
    assert known.rows is None
    assert short.rows is not None
    long = FeatureStatistics(short.mean, short.covariance, short.n)
    expected = frechet_distance(known, long)
    # The long way has the roots of 19 eigenvalues that are 0 but for rounding.
    assert frechet_distance(known, short) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(short, known) == pytest.approx(expected, rel=1e-5)


def test_covariance_is_the_unbiased_one(rng: np.random.Generator) -> None:
    x = rng.normal(size=(7, 2))
    centred = x - x.mean(0)
    assert FeatureStatistics.of(x).covariance == pytest.approx(centred.T @ centred / 6)


def test_kernel_distance_pair_by_pair(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(6, 3)) + 1

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 3 + 1) ** 3)

    def same(rows: np.ndarray) -> float:
        pairs = list(itertools.permutations(range(len(rows)), 2))
        return sum(k(rows[i], rows[j]) for i, j in pairs) / len(pairs)

    crossed = sum(k(a, b) for a in x for b in y) / 30
    assert kernel_distance(x, y) == pytest.approx(same(x) + same(y) - 2 * crossed)


def test_kid_is_unbiased_and_orders_sets(rng: np.random.Generator) -> None:
    x, same, moved = rng.normal(size=(400, 8)), rng.normal(size=(400, 8)), rng.normal(size=(400, 8)) + 0.5
    near, far = kid(x, same, subset_size=100), kid(x, moved, subset_size=100)
    assert abs(near.value) < 0.05
    assert far.low > near.high
    assert far.low < far.value < far.high
    assert kid(x, moved, subset_size=100) == far, "the same seed is the same figure"
    assert kid(x, moved, subset_size=100, seed=1) != far


def test_precision_and_recall_by_hand() -> None:
    real = np.array([[0.0], [1], [2], [10]])
    fake = np.array([[0.5], [1.5], [50], [51]])
    # k = 1: real balls reach 1, 1, 1 and 8; fakes 0.5 and 1.5 are inside. Fake balls reach 1, 1, 1, 1: all but 10.
    assert precision_recall(real, fake, k=1) == (0.5, 0.75)


def test_precision_is_lost_by_bad_fakes_and_recall_by_few_modes(rng: np.random.Generator) -> None:
    real = np.concatenate([rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 20])
    one_mode = rng.normal(size=(200, 4))
    precision, recall = precision_recall(real, one_mode, chunk=64)
    assert precision > 0.8
    assert 0.3 < recall <= 0.5
    wild = np.concatenate([real + rng.normal(size=real.shape) * 0.01, rng.normal(size=(400, 4)) + 100])
    assert precision_recall(real, wild)[0] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "1 row"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "3 and 4 wide"),
        (np.zeros(5), np.zeros((5, 4)), "shape"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "not finite"),
    ],
)
def test_features_that_cannot_be_compared(a: np.ndarray, b: np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said):
        kid(a, b)
    with pytest.raises(UserError, match=said):
        precision_recall(a, b)


def test_too_few_pictures_for_neighbours() -> None:
    with pytest.raises(UserError, match="more than 3 pictures"):
        precision_recall(np.eye(3), np.eye(3))


def test_long_distances_can_be_stopped(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(50, 6)), rng.normal(size=(40, 6))
    parts: list[tuple[int, int]] = []
    kid(a, b, subsets=7, subset_size=10, on_part=lambda done, total: parts.append((done, total)))
    assert parts == [(done, 7) for done in range(7)]
    parts.clear()
    precision_recall(a, b, chunk=20, on_part=lambda done, total: parts.append((done, total)))
    assert parts == [(done, 10) for done in range(10)]

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    for call in (lambda: kid(a, b, on_part=stop), lambda: precision_recall(a, b, chunk=20, on_part=stop)):
        with pytest.raises(KeyboardInterrupt):
            call()
