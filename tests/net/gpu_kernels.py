"""Which operations of a TensorFlow function a GPU would leave to the host.

TensorFlow's registry names the kernels for GPUs on a machine without one too.
"""

import tensorflow as tf
from tensorflow.python.framework import kernels


def on_the_host(function, *specs):
    """List the operations, other than constants, whose results lie in host memory."""
    graph = tf.function(function).get_concrete_function(*specs).graph
    constants, listed = set(), []
    for operation in graph.get_operations():
        inputs = [each.op.name for each in operation.inputs]
        if operation.type != "Placeholder" and constants.issuperset(inputs):
            # Also shapes and what is computed from them.
            constants.add(operation.name)
        elif operation.type == "Shape":
            constants.add(operation.name)
        elif _is_on_the_host(operation):
            types = ", ".join(each.dtype.name for each in operation.inputs)
            listed.append(f"{operation.type}({types})")
    return listed


def _is_on_the_host(operation):
    outputs = {each.name for each in operation.op_def.output_arg}
    for kernel in kernels.get_registered_kernels_for_op(operation.type).kernel:
        is_for_gpus = kernel.device_type in {"GPU", "DEFAULT"}
        if is_for_gpus and _is_of_its_types(kernel, operation):
            return bool(outputs & set(kernel.host_memory_arg))
    return operation.type not in {"Placeholder", "NoOp"}


def _is_of_its_types(kernel, operation):
    types = {
        each.name: operation.node_def.attr[each.name] for each in kernel.constraint
    }
    return all(
        types[each.name].type in each.allowed_values.list.type
        for each in kernel.constraint
        if types[each.name].type
    )
