"""Comparison of all nine networks with PyTorch's, with the same weights, on real images."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from networks import OPTIMIZED, drawn_variables

from jaxcnn import InputError, models
from jaxcnn.data.pipeline import prepare_images
from jaxcnn.interop import variables_from_torch, variables_to_torch
from jaxcnn.recipes import RECIPES
from jaxcnn.training import TrainState, train_step

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")
import torch_networks  # noqa: E402 -- it needs PyTorch

every_network = pytest.mark.parametrize("name", RECIPES)

LENET = models.LeNet()

REDUCED = {
    "lenet": 28, "alexnet": 67, "vgg": 32, "nin": 67, "googlenet": 16, "lenet_bn_scratch": 28, "lenet_bn": 28,
    "resnet": 28, "densenet": 28,
}  # fmt: skip
"""Image sizes at which ten steps in double precision take seconds."""


def make(name, image_size, dtype):
    """Return PyTorch's initial network, and ours with its weights."""
    torch.manual_seed(0)
    network = torch_networks.build(name, image_size, dropout=0.0)
    theirs = network.to({"float32": torch.float32, "float64": torch.float64}[dtype])
    generator = torch.Generator().manual_seed(1)
    for key, buffer in theirs.named_buffers():  # random statistics, as after some training
        if buffer.dim() > 0:
            low = 0.5 if key.endswith("var") else -0.5
            buffer.copy_(low + torch.rand(buffer.shape, generator=generator, dtype=buffer.dtype))
    model = RECIPES[name].model
    changes = {"dropout_rate": 0.0} if hasattr(model, "dropout_rate") else {}
    model = model.clone(dtype=dtype, **changes)
    variables = variables_from_torch(model, theirs.state_dict(), (image_size, image_size, 1))
    return theirs, model, variables


def batch(sample, image_size, rows):
    images = prepare_images(jnp.asarray(sample.train_images[rows]), image_size)
    return np.asarray(images), sample.train_labels[rows].astype(np.int32)


def to_torch(images, dtype):
    return torch.tensor(images.transpose(0, 3, 1, 2)).to(dtype)


@every_network
def test_logits_agree(name, sample):
    size = RECIPES[name].image_size
    theirs, model, variables = make(name, size, "float32")
    images, _ = batch(sample, size, slice(0, 4))
    with torch.no_grad():
        expected = theirs.eval()(to_torch(images, torch.float32)).numpy()
    logits = jax.jit(lambda variables, images: model.apply(variables, images, train=False))(variables, images)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.usefixtures("standard_promotion")
@every_network
def test_ten_steps_of_training_agree(name, sample):
    """The test uses double precision, because Adam divides by the size of the gradient and so amplifies rounding.

    PyTorch's `eps` changes from step to step, so that its Adam is that of PyTorch before 1.3, as in the recipes.
    """
    with jax.enable_x64(True):
        size, recipe = REDUCED[name], RECIPES[name]
        image_shape = (size, size, 1)
        theirs, model, variables = make(name, size, "float64")
        theirs.train()
        variables = jax.tree.map(lambda array: array.astype(jnp.float64), variables)
        keys = list(theirs.state_dict())
        exact = variables_to_torch(model, variables, image_shape, names=keys)  # rounded to float32
        for key, tensor in theirs.state_dict().items():
            if tensor.dim() > 0:
                tensor.copy_(torch.tensor(exact[key]).reshape(tensor.shape))

        entries = count_entries(theirs)
        optimizer = torch.optim.Adam(theirs.parameters(), lr=recipe.learning_rate)
        state = TrainState(
            step=jnp.zeros((), jnp.int32),
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            opt_state=recipe.make_optimizer().init(variables["params"]),
            key=jax.random.key(0),
            apply_fn=model.apply,
            tx=recipe.make_optimizer(),
        )
        step_of = jax.jit(train_step, compiler_options=OPTIMIZED)
        for step in range(10):
            images, labels = batch(sample, size, slice(8 * step, 8 * step + 8))
            before = {key: buffer.numpy().copy() for key, buffer in theirs.named_buffers()}
            optimizer.zero_grad()
            logits = theirs(to_torch(images, torch.float64))
            their_loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels, dtype=torch.int64))
            their_loss.backward()
            optimizer.param_groups[0]["eps"] = 1e-8 / (1 - 0.999 ** (step + 1)) ** 0.5
            optimizer.step()
            state, metrics = step_of(state, images, labels)
            np.testing.assert_allclose(metrics.loss, their_loss.item(), rtol=1e-6)
            if step == 0:
                first_moments = optax.tree_utils.tree_get(state.opt_state, "mu")
                gradients = jax.tree.map(lambda moment: moment / (1 - 0.9), first_moments)
                ours = variables_to_torch(
                    model, {"params": gradients, "batch_stats": state.batch_stats}, image_shape, names=keys
                )
                assert_gradients_agree(ours, theirs)
                assert_statistics_agree(ours, theirs, before, entries)
        ours = variables_to_torch(model, state.variables, image_shape, names=keys)
        for key, parameter in theirs.named_parameters():
            expected = parameter.detach().numpy()
            np.testing.assert_allclose(ours[key].reshape(expected.shape), expected, rtol=0, atol=1e-6, err_msg=key)


def assert_gradients_agree(ours, network):
    expected = {key: parameter.grad.numpy() for key, parameter in network.named_parameters()}
    largest = max(np.abs(gradient).max() for gradient in expected.values())
    for key, gradient in expected.items():
        tolerance = 1e-8 * np.abs(gradient).max() + 1e-12 * largest  # some gradients are zero up to rounding
        np.testing.assert_allclose(ours[key].reshape(gradient.shape), gradient, rtol=0, atol=tolerance, err_msg=key)


def assert_statistics_agree(ours, network, before, entries):
    """Compare running statistics. PyTorch's variance is unbiased: n / (n - 1) times ours for n entries per channel."""
    for key, buffer in network.named_buffers():
        layer, _, kind = key.rpartition(".")
        expected = buffer.numpy()
        if kind == "num_batches_tracked":
            continue
        if kind == "running_var":
            expected = 0.9 * before[key] + (expected - 0.9 * before[key]) * (entries[layer] - 1) / entries[layer]
        np.testing.assert_allclose(ours[key].reshape(expected.shape), expected, rtol=1e-8, err_msg=key)


def count_entries(network):
    """Return a mapping that each batch norm of `network` fills, when called, with its number of entries per channel."""
    entries = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: entries.update({name: inputs[0].numel() // inputs[0].shape[1]})
            )
    return entries


def weights_with(bias):
    """Tensors for LeNet, with `bias` for the first of them."""
    weights = variables_to_torch(LENET, drawn_variables(LENET, (1, 28, 28, 1)), (28, 28, 1))
    return {name: torch.from_numpy(array) for name, array in weights.items()} | {"conv1.bias": bias}


@pytest.mark.parametrize(
    ("kind", "bias"),
    [
        ("bfloat16", lambda ones: ones.bfloat16()),
        ("gradients", lambda ones: ones.requires_grad_()),
        ("a stride", lambda ones: ones.repeat_interleave(2)[::2]),
    ],
)
def test_a_tensor_with_values_is_read(kind, bias):
    variables = variables_from_torch(LENET, weights_with(bias(torch.ones(6))), (28, 28, 1))
    np.testing.assert_array_equal(variables["params"]["conv1"]["bias"], np.ones(6))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    ("kind", "bias"),
    [
        ("sparse", lambda ones: ones.to_sparse()),
        ("quantized", lambda ones: torch.quantize_per_tensor(ones, 0.1, 0, torch.qint8)),
        ("without data", lambda ones: ones.to("meta")),
        ("complex", lambda ones: torch.complex(ones, ones).conj()),
        ("a negative view", lambda ones: torch.complex(ones, -ones).conj().imag),
        ("float8", lambda ones: ones.to(torch.float8_e4m3fn)),
    ],
)
def test_a_tensor_without_real_values_raises(kind, bias):
    with pytest.raises(InputError, match=r"conv1.bias .*expected (a dense tensor of )?real numbers") as raised:
        variables_from_torch(LENET, weights_with(bias(torch.ones(6))), (28, 28, 1))
    assert "\n" not in str(raised.value)


class TorchvisionBlock(torch.nn.Module):
    """A residual block without biases, with the layers in torchvision's order: the shortcut's are the last."""

    def __init__(self, channels, features, stride, expansion):
        super().__init__()
        wide = expansion * features
        if expansion == 1:
            shapes = [(channels, features, 3, stride), (features, features, 3, 1)]
        else:
            shapes = [(channels, features, 1, 1), (features, features, 3, stride), (features, wide, 1, 1)]
        self.count = len(shapes)
        for number, (inputs, outputs, size, step) in enumerate(shapes, start=1):
            self.add_module(f"conv{number}", torch.nn.Conv2d(inputs, outputs, size, step, size // 2, bias=False))
            self.add_module(f"bn{number}", torch.nn.BatchNorm2d(outputs))
        self.downsample = torch.nn.Sequential()
        if stride > 1 or channels != wide:
            self.downsample.append(torch.nn.Conv2d(channels, wide, 1, stride, bias=False))
            self.downsample.append(torch.nn.BatchNorm2d(wide))

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = torch.relu(y) if number < self.count else y
        return torch.relu(y + self.downsample(x))


class TorchvisionResNet(torch.nn.Module):
    """A ResNet with the layers, names and order of torchvision's."""

    def __init__(self, stage_sizes, expansion, num_classes, small_stem):
        super().__init__()
        kernel, stride, padding = (3, 1, 1) if small_stem else (7, 2, 3)
        self.conv1 = torch.nn.Conv2d(3, 64, kernel, stride, padding, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(64)
        self.pool = torch.nn.Identity() if small_stem else torch.nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, count in enumerate(stage_sizes):
            blocks = []
            for number in range(count):
                stride = 2 if stage > 0 and number == 0 else 1
                blocks.append(TorchvisionBlock(channels, 64 * 2**stage, stride, expansion))
                channels = expansion * 64 * 2**stage
            self.add_module(f"layer{stage + 1}", torch.nn.Sequential(*blocks))
        self.stages = len(stage_sizes)
        self.fc = torch.nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "expansion"),
    [
        (models.ResNet18(num_classes=20, use_bias=False), 1),
        (models.ResNet18(num_classes=20, use_bias=False, small_stem=True), 1),
        (models.ResNet34(num_classes=20, use_bias=False), 1),
        (models.ResNet50(num_classes=20, use_bias=False), 4),
    ],
    ids=["ResNet18", "ResNet18 with a small stem", "ResNet34", "ResNet50"],
)
def test_torchvision_resnets_agree(model, expansion):
    torch.manual_seed(0)
    theirs = TorchvisionResNet(model.stage_sizes, expansion, model.num_classes, model.small_stem).eval()
    for parameter in theirs.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter, mode="fan_out")
    for key, buffer in theirs.named_buffers():
        if buffer.dim() > 0:
            low = 0.8 if key.endswith("var") else -0.2
            buffer.copy_(low + 0.4 * torch.rand(buffer.shape))
    variables = variables_from_torch(model, theirs.state_dict(), (224, 224, 3))
    images = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    with torch.no_grad():
        expected = theirs(to_torch(images, torch.float32)).numpy()
    logits = jax.jit(lambda variables, images: model.apply(variables, images, train=False))(variables, images)
    assert expected.std(0).max() > 1e-3, "the logits depend on the images"
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_weights_without_biases_raise_with_the_remedy():
    theirs = TorchvisionResNet((1, 1), 1, 10, False)
    model = models.ResNet(stage_sizes=(1, 1))
    with pytest.raises(
        InputError, match=r"conv1.bias \(64,\) is missing before bn1.weight.*ResNet with use_bias=False"
    ):
        variables_from_torch(model, theirs.state_dict(), (64, 64, 3))
    assert variables_from_torch(model.clone(use_bias=False), theirs.state_dict(), (64, 64, 3))
