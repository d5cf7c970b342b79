import numpy as np
import pytest

from trainer.data.image_set import ImageSet
from trainer.results import baseline_features as features
from trainer.results.baselines import CONSTANT, FILM, HISTOGRAM, predict_baselines


def film_set(count, seed, split="Training", categories=4):
    """Images of a bright breast on the darker background of a film, on a canvas of 0; brighter with the category."""
    rng = np.random.default_rng(seed)
    labels, pixels = rng.integers(0, categories, count), np.zeros((count, 24, 20, 1), np.uint16)
    for image, label in zip(pixels, labels, strict=True):
        image[:22, :18, 0] = rng.integers(500, 3000, (22, 18))
        image[4:16, :10, 0] = rng.integers(20000 + 8000 * label, 30000 + 8000 * label, (12, 10))
    names = tuple(f"{label + 1}_Calc-{split}_P_{100 * seed + n:05d}_LEFT_CC" for n, label in enumerate(labels))
    return ImageSet("", names, pixels, labels, 4)


def test_the_histogram_finds_what_the_film_does_not_show():
    training, evaluation = film_set(120, 0), film_set(80, 1, "Test")
    found = predict_baselines(training, evaluation, seed=0)
    assert list(found) == [CONSTANT, FILM, HISTOGRAM]
    for probabilities in found.values():
        assert (probabilities.shape, probabilities.dtype) == ((80, 4), np.float64)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)
    assert (found[HISTOGRAM].argmax(axis=1) == evaluation.labels).mean() > 0.95
    assert len(np.unique(found[FILM], axis=0)) == 1  # all films have the same size, side and view
    np.testing.assert_array_equal(found[CONSTANT], np.tile(np.bincount(training.labels) / 120, (80, 1)))


def test_predictions_are_the_same_each_time():
    training, evaluation = film_set(60, 0), film_set(40, 1, "Test")
    first, second = (predict_baselines(training, evaluation, seed=3) for _ in range(2))
    for name in first:
        assert first[name].tobytes() == second[name].tobytes()


def test_absent_categories_have_the_probability_0():
    training = film_set(40, 0)
    chosen = np.isin(training.labels, (1, 3))
    names = tuple(np.array(training.names)[chosen])
    training = ImageSet("", names, training.pixels[chosen], training.labels[chosen], 4)
    for probabilities in predict_baselines(training, film_set(20, 1), seed=0).values():
        assert (probabilities[:, [0, 2]] == 0).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)


def test_the_size_of_the_film_and_the_codes_of_side_and_view():
    pixels = np.zeros((4, 12, 9, 1), np.uint16)
    pixels[0, 2:9, 1:5] = 7
    pixels[1, 0, 0] = pixels[1, 11, 8] = 1
    pixels[3, 5, 3] = 65535
    names = ("1_Calc-Test_P_1_LEFT_MLO", "2_Mass-Test_P_2_RIGHT_CC", "", "3_other")
    found = features.film_features(ImageSet("", names, pixels, np.zeros(4, int), 4))
    np.testing.assert_array_equal(found, [[7, 4, 0, 1], [12, 9, 1, 0], [0, 0, 2, 2], [1, 1, 2, 2]])


def brute_force_otsu(values):
    """The threshold with the highest variance between the classes, of all levels."""
    scores = [0.0] * 256
    for level in range(256):
        dark, bright = values[values <= level], values[values > level]
        if len(dark) and len(bright):
            scores[level] = len(dark) * len(bright) * (dark.mean() - bright.mean()) ** 2
    return int(np.argmax(np.round(scores, 6)))


@pytest.mark.parametrize("seed", range(5))
def test_otsus_threshold_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    values = np.clip(np.concatenate([rng.normal(40, 15, 300), rng.normal(160, 40, 200)]), 1, 255).astype(int)
    counts = np.bincount(values, minlength=256)[None]
    assert features.otsu_levels(counts).tolist() == [brute_force_otsu(values)]


def test_the_features_of_a_breast():
    images = film_set(5, 2)
    found = features.breast_features(images)
    for image, row in zip(images.pixels[..., 0], found, strict=True):
        breast = image[4:16, :10].ravel().astype(int) // 256  # Otsu's threshold separates it from the film
        histogram, _ = np.histogram(breast, bins=32, range=(0, 256))
        np.testing.assert_allclose(row[:32], histogram / 120, atol=1e-6)
        np.testing.assert_array_equal(row[32:40], np.quantile(breast, features.QUANTILES, method="inverted_cdf"))
        np.testing.assert_allclose(row[40:42], [breast.mean(), breast.std()], rtol=1e-5)
        inner = brute_force_otsu(breast)
        np.testing.assert_allclose(row[42:44], [inner, (breast > inner).mean()], rtol=1e-6)
        np.testing.assert_allclose(row[44:], [120 / 480, 120 / (22 * 18)], rtol=1e-6)


def test_black_and_uniform_images_have_no_breast():
    pixels = np.zeros((2, 6, 5, 1), np.uint16)
    pixels[1] = 30000  # one level: no pixel is above the others
    found = features.breast_features(ImageSet("", ("", ""), pixels, np.zeros(2, int), 4))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], 0)
