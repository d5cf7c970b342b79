import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.support.labelled import labelled_images
from tests.trainer.data.test_image_set import image_set
from trainer.data.batches import evaluation_batches, training_batches

IMAGES = image_set(*labelled_images(10))


def steps(batches, count):
    """Returns the first batches as tuples of arrays."""
    taken = [tuple(part.numpy() for part in batch) for batch in itertools.islice(batches, count)]
    assert len(taken) == count
    return taken


def indices(pixels):
    """Returns the index of each image, which its pixels determine."""
    return [next(n for n in range(10) if np.array_equal(IMAGES.pixels[n], image)) for image in pixels]


def contexts(replicas, workers):
    return [tf.distribute.InputContext(workers, number, replicas) for number in range(workers)]


def test_every_epoch_is_a_new_permutation_of_all_images():
    seen = [index for pixels, _, _ in steps(training_batches(IMAGES, 4, 7, 0), 15) for index in indices(pixels)]
    epochs = [tuple(seen[start : start + 10]) for start in range(0, 60, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(epochs)) == 6
    other = [index for pixels, _, _ in steps(training_batches(IMAGES, 4, 8, 0), 15) for index in indices(pixels)]
    assert other != seen


def test_labels_and_positions_belong_to_the_pixels():
    for number, (pixels, labels, positions) in enumerate(steps(training_batches(IMAGES, 4, 7, 0), 6)):
        assert positions.tolist() == [4 * number + row for row in range(4)]
        assert labels.tolist() == [IMAGES.labels[index] for index in indices(pixels)]


@pytest.mark.parametrize("first", [1, 2, 3, 9, 40])
def test_the_batches_can_start_at_any_step(first):
    whole = steps(training_batches(IMAGES, 4, 7, 0), first + 3)[first:]
    later = steps(training_batches(IMAGES, 4, 7, first), 3)
    for one, other in zip(whole, later, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("workers", [1, 2])
def test_replicas_divide_the_batch_of_one_device(workers):
    whole = steps(training_batches(IMAGES, 8, 7, 0), 3)
    parts = [steps(training_batches(IMAGES, 8, 7, 0, context), 12 // workers) for context in contexts(4, workers)]
    per_worker = 4 // workers
    for number, batch in enumerate(whole):
        mine = [part for worker in parts for part in worker[number * per_worker : (number + 1) * per_worker]]
        for place in range(3):
            np.testing.assert_array_equal(np.concatenate([part[place] for part in mine]), batch[place])


@pytest.mark.parametrize(
    ("batch_size", "replicas", "workers"), [(4, 1, 1), (3, 1, 1), (16, 4, 1), (8, 8, 2), (10, 1, 1)]
)
def test_evaluation_sees_every_image_once(batch_size, replicas, workers):
    seen = []
    shapes = set()
    for context in contexts(replicas, workers):
        for pixels, labels, positions in evaluation_batches(IMAGES, batch_size, context).as_numpy_iterator():
            shapes.add(pixels.shape)
            for image, label, position in zip(pixels, labels, positions, strict=True):
                if position < len(IMAGES):
                    np.testing.assert_array_equal(image, IMAGES.pixels[position])
                    assert label == IMAGES.labels[position]
                    seen.append(position)
    assert sorted(seen) == list(range(10))
    assert shapes == {(batch_size // replicas, 16, 12, 1)}
