"""The schedule of the learning rate has the bits of Keras's, whose branch a GPU would wait for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.network.optimizers import WarmupCosine


@pytest.mark.parametrize(("rate", "warmup", "falling"), [(0.002, 100, 1900), (0.0013, 7, 23), (0.01, 1, 1)])
def test_the_schedule_has_the_bits_of_keras(rate, warmup, falling):
    own = WarmupCosine(0.0, falling, warmup_target=rate, warmup_steps=warmup)
    kerass = keras.optimizers.schedules.CosineDecay(0.0, falling, warmup_target=rate, warmup_steps=warmup)
    steps = range(warmup + falling + 3)
    for pair in ((own, kerass), (tf.function(own), tf.function(kerass))):  # traced, divisions are optimized
        found, expected = ([np.float32(rate_at(tf.constant(step, tf.int64))) for step in steps] for rate_at in pair)
        assert found == expected
    assert found[0] == 0
    assert found[warmup] == np.float32(rate)
    assert found[-1] == 0
