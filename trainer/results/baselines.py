"""Predicts the density from facts that need no image recognition; a useful model is better than these baselines.

The classifiers are scikit-learn's extremely randomized trees (Geurts et al. 2006), fitted on the training images only.
"""

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from trainer.data.image_set import ImageSet
from trainer.results.baseline_features import breast_features, film_features

CONSTANT, FILM, HISTOGRAM = "constant guess", "film size, side and view", "histogram of the breast"
_TREES = 200


def predict_baselines(training: ImageSet, evaluation: ImageSet, seed: int) -> dict[str, np.ndarray]:
    """Fits the baselines on the training images and predicts the evaluation images.

    "constant guess" has the shares of the categories among the training images as probabilities. "film size, side and
    view" uses height and width of the film on its black canvas, and side and view from the name. "histogram of the
    breast" uses the values of the pixels of the breast, but not their positions. `baseline_features` defines the
    features of both.

    Args:
        training: at least one image.
        seed: of the trees.

    Returns:
        name -> (N, K) float64, probabilities of the N evaluation images; 0 for categories without training images.
    """
    shares = np.array(training.counts) / len(training)
    return {
        CONSTANT: np.tile(shares, (len(evaluation), 1)),
        FILM: _fit_predict(film_features, training, evaluation, seed),
        HISTOGRAM: _fit_predict(breast_features, training, evaluation, seed),
    }


def _fit_predict(
    features: Callable[[ImageSet], np.ndarray], training: ImageSet, evaluation: ImageSet, seed: int
) -> np.ndarray:
    trees = ExtraTreesClassifier(_TREES, min_samples_leaf=2, random_state=seed, n_jobs=2)
    trees.fit(features(training), training.labels)
    trees.n_jobs = 1  # several threads would add the probabilities of the trees in any order
    found = np.zeros((len(evaluation), training.categories))
    found[:, trees.classes_] = trees.predict_proba(features(evaluation))
    return found
