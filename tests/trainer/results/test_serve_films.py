import keras
import numpy as np
import pytest
import tensorflow as tf

from preprocess.images.resize import pad_and_resize
from tests.trainer.results.test_export import Film
from trainer.results.serve_films import make_serve_films

CASES = [  # film, canvas, image
    ((7111, 5251), (7111, 5251), (128, 95)),
    ((5431, 2991), (7111, 5251), (128, 95)),
    ((3256, 1531), (7111, 5251), (128, 95)),
    ((1001, 703), (1009, 761), (299, 299)),
    ((50, 40), (64, 48), (128, 95)),
]


@pytest.mark.parametrize("method", ["area", "nearest"])
@pytest.mark.parametrize(("film", "canvas", "size"), CASES)
def test_the_pixels_are_those_of_the_job(film, canvas, size, method):
    """The model is the identity, so the "probabilities" are the pixels. The second film has the largest sums."""
    serve_films = make_serve_films(keras.layers.Identity(), canvas, size, method)
    random = np.random.default_rng(0).integers(0, 65536, film).astype(np.uint16)
    for pixels in (random, np.full(film, 65535, np.uint16)):
        found = serve_films(tf.constant(pixels))["probabilities"].numpy()
        np.testing.assert_array_equal(found[0, ..., 0], pad_and_resize(Film(pixels), canvas, size, method))
