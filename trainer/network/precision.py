"""Copies a model that computes in bfloat16 to one that computes in float32 with the same weights."""

import keras

from trainer.settings import BFLOAT16, FLOAT32


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a copy of a model whose layers compute in float32. The weights are float32 in both.

    Must be called in the scope of the strategy in which the copy will be used.
    """
    copy = keras.models.model_from_json(model.to_json().replace(f"mixed_{BFLOAT16}", FLOAT32))
    for own, trained in zip(copy.variables, model.variables, strict=True):
        own.assign(trained)
    return copy
