"""Finds the operations of a traced function for which TensorFlow has no GPU kernel, or one that uses the host's memory.

The registry of TensorFlow's package for Linux contains the kernels of GPUs, also on a machine without one.
"""

import tensorflow as tf
from tensorflow.python.framework import kernels, op_def_registry
from tensorflow.python.ops import control_flow_util_v2

SHORT = 8  # elements; no batch in the tests is that small
FUNCTIONS = ("f", "body", "cond", "then_branch", "else_branch")  # attributes that name a function
ARGUMENT = "Placeholder"  # of a function; replaced by the value


def graphs_of(graph):
    """Yields a graph and the graphs of all functions that its operations call."""
    yield graph
    for operation in graph.get_operations():
        for name in FUNCTIONS:
            if name in operation.node_def.attr and operation.node_def.attr[name].func.name:
                function = operation.node_def.attr[name].func.name
                yield from graphs_of(control_flow_util_v2.get_func_graph(operation, None, function))


def gpu_kernel(operation):
    """Returns the kernel that a GPU would use, or None."""
    attributes = operation.node_def.attr
    found = [
        kernel
        for kernel in kernels.get_registered_kernels_for_op(operation.type).kernel
        if kernel.device_type in ("GPU", "DEFAULT")
        and all(_types(attributes[c.name]) <= set(c.allowed_values.list.type) for c in kernel.constraint)
    ]
    return max(found, key=lambda kernel: (kernel.device_type == "GPU", kernel.priority), default=None)


def _types(attribute):
    return set(attribute.list.type) if attribute.HasField("list") else {attribute.type}


def host_values(operation, kernel):
    """Yields the tensors of an operation that its kernel reads or writes in the memory of the host.

    Handles of variables, and shapes, axes and other short vectors, belong there.
    """
    yield from (tensor for tensor in _in_host_memory(operation, kernel) if not _belongs_to_the_host(tensor))


def _belongs_to_the_host(tensor):
    if tensor.dtype in (tf.resource, tf.variant) or tensor.op.type in ("Shape", "ShapeN"):
        return True
    count = tensor.shape.num_elements()
    return count is not None and count <= SHORT


def _in_host_memory(operation, kernel):
    definition = op_def_registry.get(operation.type)
    for arguments, tensors in (
        (definition.input_arg, operation.inputs),
        (definition.output_arg, operation.outputs),
    ):
        begin = 0
        for argument in arguments:
            end = begin + _length(argument, operation.node_def.attr)
            if argument.name in kernel.host_memory_arg:
                yield from tensors[begin:end]
            begin = end


def _length(argument, attributes):
    """Returns the number of tensors of an argument."""
    if argument.number_attr:
        return attributes[argument.number_attr].i
    return len(attributes[argument.type_list_attr].list.type) if argument.type_list_attr else 1
