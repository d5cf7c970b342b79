"""The losses of a batch of images, from the logits of a network."""

from collections.abc import Callable

import tensorflow as tf

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""((b,) int64 labels, (b, K) float32 logits) -> (b,) float32 losses in nats."""


def crossentropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Computes the negative logarithm of the probability of the true category; for the shapes, see `Loss`."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def ordinal(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Computes the sum of the binary cross-entropies of the K - 1 questions "is the category above k?".

    A probability far from the true category costs more than one beside it. This is the logarithmic form of the ranked
    probability score (Epstein 1969, A scoring system for probability forecasts of ranked categories). For the shapes,
    see `Loss`.
    """
    log_probabilities = tf.nn.log_softmax(logits)
    thresholds = range(1, logits.shape[1])
    above = [tf.reduce_logsumexp(log_probabilities[:, k:], axis=1) for k in thresholds]
    below = [tf.reduce_logsumexp(log_probabilities[:, :k], axis=1) for k in thresholds]
    is_above = [labels >= k for k in thresholds]
    return tf.add_n([-tf.where(which, a, b) for which, a, b in zip(is_above, above, below, strict=True)])


LOSSES: dict[str, Loss] = {"crossentropy": crossentropy, "ordinal": ordinal}
