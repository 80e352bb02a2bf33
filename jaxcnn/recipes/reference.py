"""The book's nine experiments, with the book's figures.

`SOURCE` names the book. The notes of the recipes list settings that its text does not state.
"""

from jaxcnn import layers, models
from jaxcnn.recipes.recipe import Recipe, ReferenceEpoch

SOURCE = (
    "Dive into Deep Learning (Aston Zhang, Zachary Lipton, Mu Li, Alexander Smola; d2l.ai), the chapter on "
    "convolutional neural networks, in a PyTorch notebook version whose sections are numbered 4.1 to 4.12"
)
"""The book that the recipes come from."""

HOW_THE_RUNS_WERE_MADE = (
    "In lenet_bn, resnet and densenet, batch norm begins with gamma from U(0, 1), as PyTorch's did before version 1.2. "
    "resnet and densenet train on 28x28 images, because the book's code does not resize them. In all nine, Adam adds "
    "epsilon before the correction of the bias, as PyTorch's did before version 1.3."
)
"""Settings that the book's text does not state. Its figures imply the first two; the form of Adam is an assumption."""

_ADAM = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}

_UNIFORM_SCALES = (
    "Batch norm begins with gamma from U(0, 1), as PyTorch's did before version 1.2; later versions begin with 1."
)
_AS_THEY_ARE = "The images stay at 28x28, because the book's code does not resize them."
_ONE_PIXEL = (
    "The last transition pools a map of one pixel, which PyTorch before 1.2 left as it was and later versions refuse."
)

LENET = Recipe(
    name="lenet",
    title="LeNet",
    section="4.5",
    model=models.LeNet(),
    image_size=28,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="28x28x1 256 120 84 10",
    reference=(
        ReferenceEpoch(1.8646, 0.318, 0.587, 4.7),
        ReferenceEpoch(0.9301, 0.646, 0.685, 4.3),
        ReferenceEpoch(0.7464, 0.720, 0.727, 4.2),
        ReferenceEpoch(0.6674, 0.741, 0.744, 4.2),
        ReferenceEpoch(0.6137, 0.757, 0.760, 4.3),
    ),
)
"""`jaxcnn train lenet`: about 0.760 test accuracy after 5 epochs; 22 s on the book's GPU."""

ALEXNET = Recipe(
    name="alexnet",
    title="AlexNet",
    section="4.6",
    model=models.AlexNet(),
    image_size=224,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="224x224x1 6400 4096 4096 10",
    reference=(
        ReferenceEpoch(0.6961, 0.732, 0.841, 26.5),
        ReferenceEpoch(0.3328, 0.874, 0.884, 26.5),
        ReferenceEpoch(0.2833, 0.893, 0.894, 26.1),
        ReferenceEpoch(0.2503, 0.907, 0.903, 26.5),
        ReferenceEpoch(0.2291, 0.915, 0.906, 26.6),
    ),
)
"""`jaxcnn train alexnet`: about 0.906 test accuracy after 5 epochs; 132 s on the book's GPU."""

VGG = Recipe(
    name="vgg",
    title="VGG, widths divided by 4",
    section="4.7",
    model=models.VGG11(ratio=4),
    image_size=224,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="224x224x1 112x112x16 56x56x32 28x28x64 14x14x128 7x7x128 10",
    reference=(
        ReferenceEpoch(0.7833, 0.702, 0.839, 44.3),
        ReferenceEpoch(0.3814, 0.860, 0.873, 44.5),
        ReferenceEpoch(0.3125, 0.885, 0.895, 44.5),
        ReferenceEpoch(0.2730, 0.899, 0.904, 44.6),
        ReferenceEpoch(0.2428, 0.911, 0.912, 44.5),
    ),
)
"""`jaxcnn train vgg`: about 0.912 test accuracy after 5 epochs; 222 s on the book's GPU."""

NIN = Recipe(
    name="nin",
    title="NiN",
    section="4.8",
    model=models.NiN(),
    image_size=224,
    learning_rate=0.002,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="224x224x1 54x54x96 26x26x96 26x26x256 12x12x256 12x12x384 5x5x384 5x5x10 10",
    reference=(
        ReferenceEpoch(1.2753, 0.524, 0.726, 31.9),
        ReferenceEpoch(0.6357, 0.767, 0.805, 32.0),
        ReferenceEpoch(0.5100, 0.815, 0.832, 32.2),
        ReferenceEpoch(0.4403, 0.840, 0.843, 32.0),
        ReferenceEpoch(0.3973, 0.854, 0.856, 32.0),
    ),
    caveat="a ReLU follows the last convolution, so with some seeds the score of a class stays 0 for all images",
)
"""`jaxcnn train nin`: about 0.856 test accuracy after 5 epochs; 160 s on the book's GPU."""

GOOGLENET = Recipe(
    name="googlenet",
    title="GoogLeNet",
    section="4.9",
    model=models.GoogLeNet(),
    image_size=96,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="96x96x1 24x24x64 12x12x192 6x6x480 3x3x832 1024 10",
    caveat="its loss begins on a plateau, whose length depends on the seed",
    reference=(
        ReferenceEpoch(2.4547, 0.099, 0.100, 23.0, on_plateau=True),
        ReferenceEpoch(1.6381, 0.344, 0.496, 23.1, on_plateau=True),
        ReferenceEpoch(0.7035, 0.733, 0.726, 23.1),
        ReferenceEpoch(0.5071, 0.815, 0.824, 23.1),
        ReferenceEpoch(0.4271, 0.842, 0.826, 23.1),
    ),
)
"""`jaxcnn train googlenet`: about 0.826 test accuracy after 5 epochs; 115 s on the book's GPU."""

LENET_BN_SCRATCH = Recipe(
    name="lenet_bn_scratch",
    title="LeNet with batch norm from scratch",
    section="4.10",
    model=models.LeNet(norm=layers.scratch_batch_norm),
    image_size=28,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="28x28x1 256 120 84 10",
    reference_norm=(
        (1.1173, 0.9368, 0.9685, 1.1043, 1.0498, 0.9036),
        (0.2380, 0.0031, -0.4098, 0.3822, -0.6539, -0.1376),
    ),
    caveat="with moving statistics the test accuracy swings from epoch to epoch, in the book from .827 to .866",
    reference=(
        ReferenceEpoch(1.0072, 0.788, 0.827, 6.7),
        ReferenceEpoch(0.4596, 0.862, 0.836, 6.5),
        ReferenceEpoch(0.3726, 0.876, 0.852, 6.5),
        ReferenceEpoch(0.3339, 0.886, 0.866, 6.6),
        ReferenceEpoch(0.3132, 0.890, 0.855, 6.3),
    ),
)
"""`jaxcnn train lenet_bn_scratch`: about 0.855 test accuracy after 5 epochs; 33 s on the book's GPU."""

LENET_BN = Recipe(
    name="lenet_bn",
    title="LeNet with batch norm",
    section="4.10",
    model=models.LeNet(norm=layers.uniform_scale_batch_norm),
    image_size=28,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="28x28x1 256 120 84 10",
    note=_UNIFORM_SCALES,
    caveat="with moving statistics the test accuracy swings from epoch to epoch, in the book from .760 to .837",
    reference=(
        ReferenceEpoch(1.3550, 0.765, 0.806, 5.2),
        ReferenceEpoch(0.5887, 0.857, 0.760, 5.9),
        ReferenceEpoch(0.4131, 0.875, 0.810, 6.6),
        ReferenceEpoch(0.3566, 0.883, 0.837, 6.0),
        ReferenceEpoch(0.3254, 0.891, 0.821, 5.4),
    ),
)
"""`jaxcnn train lenet_bn`: about 0.821 test accuracy after 5 epochs; 29 s on the book's GPU."""

RESNET = Recipe(
    name="resnet",
    title="ResNet-18",
    section="4.11",
    model=models.ResNet18(norm=layers.uniform_scale_batch_norm),
    image_size=28,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="224x224x1 112x112x64 56x56x64 56x56x64 28x28x128 14x14x256 7x7x512 512 10",
    note=f"{_UNIFORM_SCALES} {_AS_THEY_ARE}",
    caveat="with moving statistics the test accuracy swings from epoch to epoch, in the book from .848 to .903",
    reference=(
        ReferenceEpoch(0.4296, 0.843, 0.848, 10.8),
        ReferenceEpoch(0.2982, 0.890, 0.886, 10.7),
        ReferenceEpoch(0.2583, 0.904, 0.873, 10.8),
        ReferenceEpoch(0.2299, 0.915, 0.899, 10.9),
        ReferenceEpoch(0.2084, 0.923, 0.903, 10.9),
    ),
)
"""`jaxcnn train resnet`: about 0.903 test accuracy after 5 epochs; 54 s on the book's GPU."""

DENSENET = Recipe(
    name="densenet",
    title="DenseNet",
    section="4.12",
    model=models.DenseNet(clip_window=True, norm=layers.uniform_scale_batch_norm),
    image_size=28,
    learning_rate=0.001,
    optimizer="adam_epsilon_hat",
    optimizer_options=_ADAM,
    reference_shapes="96x96x1 48x48x64 24x24x64 24x24x192 12x12x96 12x12x224 6x6x112 6x6x240 3x3x120 3x3x248 248 10",
    note=f"{_UNIFORM_SCALES} {_AS_THEY_ARE} {_ONE_PIXEL}",
    caveat="with moving statistics the test accuracy swings; in the book it falls from .894 to .871 in the last epoch",
    reference=(
        ReferenceEpoch(0.5218, 0.828, 0.833, 12.7),
        ReferenceEpoch(0.3087, 0.887, 0.869, 12.4),
        ReferenceEpoch(0.2656, 0.902, 0.890, 12.5),
        ReferenceEpoch(0.2360, 0.914, 0.894, 12.2),
        ReferenceEpoch(0.2186, 0.919, 0.871, 12.3),
    ),
)
"""`jaxcnn train densenet`: about 0.871 test accuracy after 5 epochs; 62 s on the book's GPU."""

RECIPES = {
    recipe.name: recipe
    for recipe in (LENET, ALEXNET, VGG, NIN, GOOGLENET, LENET_BN_SCRATCH, LENET_BN, RESNET, DENSENET)
}
"""The book's recipes by name, in the chapter's order."""
