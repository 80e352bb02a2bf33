"""The networks, one architecture a file.

Each is a Linen module called as `model.apply(variables, x, train=...)` with x (N, H, W, C) of any number of channels;
it returns logits, (N, num_classes). Submodules carry explicit names, so that the paths of the parameters do not shift.
"""

from jaxcnn.models.alexnet import AlexNet
from jaxcnn.models.densenet import DenseNet
from jaxcnn.models.googlenet import GoogLeNet
from jaxcnn.models.lenet import LeNet
from jaxcnn.models.nin import NiN
from jaxcnn.models.resnet import ResNet, ResNet18, ResNet34, ResNet50
from jaxcnn.models.shapes import output_shapes
from jaxcnn.models.vgg import VGG, VGG11

__all__ = [
    "VGG",
    "VGG11",
    "AlexNet",
    "DenseNet",
    "GoogLeNet",
    "LeNet",
    "NiN",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "output_shapes",
]
