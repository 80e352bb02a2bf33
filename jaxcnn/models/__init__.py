"""The networks, one architecture per file.

Each is a Linen module, called as `model.apply(variables, x, train=...)`, with float images x (N, H, W, C) of any number
of channels. It returns logits, (N, num_classes). Submodules have explicit names, so the paths of the parameters are
stable. An image batch with other axes, an integer type or too few pixels raises a `ValueError`.

`ResNet18`, `ResNet34`, `ResNet50` and `VGG11` are functions that build a `ResNet` or `VGG`. Equal arguments give equal
modules.
"""

from jaxcnn.models.alexnet import AlexNet
from jaxcnn.models.compact_resnet import CompactResNet
from jaxcnn.models.densenet import DenseNet
from jaxcnn.models.googlenet import GoogLeNet
from jaxcnn.models.lenet import LeNet
from jaxcnn.models.nin import NiN
from jaxcnn.models.resnet import ResNet, ResNet18, ResNet34, ResNet50
from jaxcnn.models.shapes import output_shapes
from jaxcnn.models.summary import LayerSummary, summarize
from jaxcnn.models.vgg import VGG, VGG11

__all__ = [
    "VGG",
    "VGG11",
    "AlexNet",
    "CompactResNet",
    "DenseNet",
    "GoogLeNet",
    "LayerSummary",
    "LeNet",
    "NiN",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "output_shapes",
    "summarize",
]
