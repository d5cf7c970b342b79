import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from trainer.data.film_statistics import FilmStatistics, describe


def films(count, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(1, 65536, (count, 12, 10, 1)).astype(np.uint16)
    for image in pixels:
        image[:, rng.integers(6, 10) :] = 0
        image[: rng.integers(0, 4)] //= 16
    return pixels


def test_the_statistics_of_an_image():
    image = np.array([[0, 60000, 20000], [0, 1000, 0]], np.uint16)
    found = {name: values[0] for name, values in describe(image[None, ..., None]).items()}
    film = np.array([60000.0, 20000.0, 1000.0])
    assert found == pytest.approx({
        "black": 0.5,
        "dark": 1 / 3,
        "brightness": film.mean() / 65535,
        "contrast": film.std() / 65535,
        "asymmetry": 20000 / 20000,
        "roughness": (59000 + 40000) / 2 / film.std(),
    })  # fmt: skip


def test_a_black_image():
    found = describe(np.zeros((1, 4, 4, 1), np.uint16))
    assert {name: values[0] for name, values in found.items()} == dict.fromkeys(found, 0) | {"black": 1}


def test_the_training_images_are_like_themselves():
    pixels = films(200)
    statistics = FilmStatistics.of(pixels)
    assert sum(bool(statistics.differences(image[..., 0])) for image in pixels) == 0


def test_an_image_outside_of_a_range_is_named_with_the_figures():
    statistics = FilmStatistics.of(films(50))
    low, high = statistics.ranges["black"]
    assert f"unlike the training films: black 1.000, theirs {low:.3f} to {high:.3f}" in statistics.differences(
        np.zeros((12, 10), np.uint16)
    )


def test_an_unusual_combination_has_its_mahalanobis_distance():
    pixels = films(300)
    table = np.column_stack(list(describe(pixels).values()))
    statistics = FilmStatistics.of(pixels)
    inverse = np.linalg.inv(np.cov(table, rowvar=False))
    distances = [mahalanobis(row, table.mean(axis=0), inverse) for row in table]
    assert statistics.distance == pytest.approx(np.quantile(distances, 0.999))
    smooth = np.repeat(np.linspace(3000, 50000, 12)[:, None], 10, axis=1)
    smooth[:, 7:] = 0
    image = (smooth * np.random.default_rng(1).choice([0.75, 1.25], smooth.shape)).astype(np.uint16)
    distance = mahalanobis([v[0] for v in describe(image[None, ..., None]).values()], table.mean(axis=0), inverse)
    wide = FilmStatistics(dict.fromkeys(statistics.ranges, (-1e9, 1e9)), statistics.mean,
                          statistics.inverse_covariance, statistics.distance)  # fmt: skip
    assert distance > 1.1 * statistics.distance
    assert wide.differences(image) == [
        f"unlike the training films: black, dark, brightness, contrast, asymmetry, roughness together {distance:.1f} "
        f"standard deviations from their mean, 99.9% of them at most {statistics.distance:.1f}"
    ]


def test_the_statistics_are_restored_from_json():
    statistics = FilmStatistics.of(films(9))
    restored = FilmStatistics.from_json(statistics.as_json())
    assert restored.as_json() == statistics.as_json()
    one = FilmStatistics.of(films(1))
    assert one.differences(films(1)[0, ..., 0]) == []
