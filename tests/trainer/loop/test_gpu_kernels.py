"""A GPU test without a GPU: every operation of a training step has a GPU kernel that computes in the GPU's memory."""

import pytest
import tensorflow as tf

from tests.support.kernels import ARGUMENT, gpu_kernel, graphs_of, host_values
from tests.support.labelled import labelled_images
from tests.trainer.data.test_image_set import image_set
from trainer.data.image_set import Statistics
from trainer.loop.training import Training
from trainer.network.networks import NETWORKS
from trainer.network.optimizers import make_optimizer
from trainer.runtime.devices import CPU, GPU, Devices
from trainer.settings import BFLOAT16, FLOAT32, RESIDUAL, TUTORIAL, settings_for

SIZE, BATCH = (32, 24), 12


def traced_loop(network, precision, kind=GPU):
    settings = settings_for(
        network, model_dir="", height=SIZE[0], width=SIZE[1], batch_size=BATCH, dropout=0.4, augmentation="films",
        class_weights="balanced",
    )  # fmt: skip
    model = NETWORKS[network].build(settings, Statistics(20000.0, 9e6), precision)
    images = image_set(*labelled_images(40, size=SIZE))
    devices = Devices(tf.distribute.get_strategy(), kind, "a test", has_bfloat16=True)
    training = Training(model, make_optimizer(model, settings), images, settings, devices, 0)
    return training._loop.get_concrete_function(training._batches, tf.constant(1)).graph


def without_kernel(operations):
    return [(operation.type, operation.name) for operation in operations
            if operation.type != ARGUMENT and gpu_kernel(operation) is None]  # fmt: skip


def on_the_host(operations):
    return [(operation.type, tensor.name, tensor.shape, tensor.dtype) for operation in operations
            if operation.type != ARGUMENT for tensor in host_values(operation, gpu_kernel(operation))]  # fmt: skip


@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16])
@pytest.mark.parametrize("network", [RESIDUAL, TUTORIAL])
def test_every_operation_of_a_step_has_a_kernel_in_the_memory_of_a_gpu(network, precision):
    loop, *steps = graphs_of(traced_loop(network, precision))
    operations = [operation for graph in steps for operation in graph.get_operations()]
    assert sum(operation.type == "Conv2D" for operation in operations) >= 2
    assert sum(operation.type == "Conv2DBackpropFilter" for operation in operations) >= 2
    assert {operation.outputs[0].dtype for operation in operations if operation.type == "Conv2D"} == {
        tf.as_dtype(precision)
    }
    assert without_kernel([*loop.get_operations(), *operations]) == []
    assert on_the_host(operations) == []


@pytest.mark.parametrize(("kind", "expected"), [(CPU, True), (GPU, False)])
def test_only_a_cpu_waits_for_all_gradients_before_the_first_update(kind, expected):
    _, *steps = graphs_of(traced_loop(TUTORIAL, FLOAT32, kind))
    assert any("tuple/control_dependency" in o.name for graph in steps for o in graph.get_operations()) is expected


@tf.function
def compare(numbers):
    return numbers >= numbers[0]


@tf.function
def gather(numbers):
    return tf.gather(numbers, tf.range(BATCH, dtype=tf.int64))


def test_the_check_finds_what_it_is_made_for():
    """TensorFlow compares int32 on the host, and has no kernel that gathers uint32 or uint16 on a GPU."""
    compared = compare.get_concrete_function(tf.TensorSpec([BATCH], tf.int32)).graph.get_operations()
    assert {kind for kind, *_ in on_the_host(compared)} >= {"GreaterEqual"}
    unsigned = compare.get_concrete_function(tf.TensorSpec([BATCH], tf.uint32)).graph.get_operations()
    assert "GreaterEqual" not in {kind for kind, *_ in on_the_host(unsigned)}
    for dtype in (tf.uint16, tf.uint32):
        gathered = gather.get_concrete_function(tf.TensorSpec([BATCH], dtype)).graph.get_operations()
        assert {kind for kind, _ in without_kernel(gathered)} == {"GatherV2"}
