"""ONNX programs with a free batch size, computed by ONNX Runtime and checked by onnx."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from networks import drawn_variables

from jaxcnn import InputError, layers, models, ops
from jaxcnn.data.pipeline import prepare_images
from jaxcnn.interop.onnx_program import run_onnx, to_onnx

onnx = pytest.importorskip("onnx", reason="jax2onnx is not installed: pip install '.[onnx]'")


class EveryOperation(nn.Module):
    """Each operation of the chapter's networks, with padding and strides, in a small network."""

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Conv(8, 3, strides=2, padding=1, name="conv1")(x)
        x = nn.relu(layers.BatchNorm(use_running_average=not train, name="norm")(x))
        x = jnp.concatenate([ops.max_pool2d(x, 3, 2, 1), ops.avg_pool2d(x, 3, 2, 1)], axis=-1)
        x = x + layers.Conv(16, 1, name="conv2")(x)
        x = ops.avg_pool2d(ops.max_pool2d(x, (2, 3), 1, (1, 0)), 2)
        return layers.Dense(10, name="dense")(ops.global_avg_pool2d(x))


NETWORKS = {
    "enlarged images": (EveryOperation(), (20, 20, 3), 28),
    "images shrunk with antialiasing": (EveryOperation(), (40, 40, 1), 28),
    "LeNet with batch norm": (models.LeNet(norm=layers.library_batch_norm), (28, 28, 1), None),
}


@pytest.fixture(scope="module", params=NETWORKS)
def converted(request):
    """A network as a function of images, its image shape, and its ONNX program."""
    model, shape, size = NETWORKS[request.param]
    variables = drawn_variables(model, (1, size or shape[0], size or shape[1], shape[2]))

    def network(images):
        return model.apply(variables, prepare_images(images, size), train=False)

    return network, shape, to_onnx(network, shape, {"network": request.param})


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_program_takes_any_number_of_images(converted, batch_size):
    network, shape, program = converted
    images = np.random.default_rng(batch_size).random((batch_size, *shape), np.float32)
    np.testing.assert_allclose(run_onnx(program, images), np.asarray(network(images)), atol=1e-5)


def test_the_program_passes_the_checks_of_onnx(converted):
    model = onnx.load_from_string(converted[2])
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    (images,), (logits,) = inferred.graph.input, inferred.graph.output
    assert (images.name, logits.name) == ("images", "logits")
    assert images.type.tensor_type.shape.dim[0].dim_param == logits.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert logits.type.tensor_type.shape.dim[1].dim_value == 10


def test_pools_have_two_dimensions(converted):
    model = onnx.load_from_string(converted[2])
    pools = [node for node in model.graph.node if "Pool" in node.op_type]
    assert {node.op_type for node in pools} <= {"MaxPool", "AveragePool"}
    windows = [next(item.ints for item in node.attribute if item.name == "kernel_shape") for node in pools]
    assert windows
    assert {len(window) for window in windows} == {2}


class Linear(nn.Module):
    """A network in bfloat16 without a pool."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dropout(0.5, deterministic=not train)(layers.Flatten(name="flatten")(x))
        return layers.Dense(10, dtype="bfloat16", name="dense")(x)


def convert_and_run(model):
    variables = drawn_variables(model, (1, 28, 28, 1))
    program = to_onnx(lambda images: model.apply(variables, images, train=False), (28, 28, 1), {})
    return run_onnx(program, np.zeros((1, 28, 28, 1), np.float32))


def test_an_operation_that_jax2onnx_cannot_convert_is_named(record_fault):
    with pytest.raises(InputError, match=r"got bfloat16\): use the stablehlo format") as raised:
        convert_and_run(models.LeNet(dtype="bfloat16"))
    seen = str(raised.value).partition(" (")[0]
    record_fault("an export to ONNX of a network in bfloat16", "an `InputError`, nothing written", seen)


def test_an_operation_that_onnx_runtime_lacks_is_named():
    with pytest.raises(InputError, match=r"Could not find an implementation .*: use the stablehlo format"):
        convert_and_run(Linear())
