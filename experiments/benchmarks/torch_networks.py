"""The book's networks in PyTorch, written from the book's description, with layers in the book's order.

Benchmarks and tests compare the package with these networks.
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 -- as everywhere


class ScratchBatchNorm(nn.Module):
    """The chapter's batch norm: initial moving statistics are zero, and the variance is biased."""

    def __init__(self, features, axes):
        super().__init__()
        shape = (1, features) if axes == 2 else (1, features, 1, 1)
        self.gamma, self.beta = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
        self.register_buffer("moving_mean", torch.zeros(shape))
        self.register_buffer("moving_var", torch.zeros(shape))

    def forward(self, x):
        mean, var = self.moving_mean, self.moving_var
        if self.training:
            axes = (0,) if x.dim() == 2 else (0, 2, 3)
            mean = x.mean(axes, keepdim=True)
            var = ((x - mean) ** 2).mean(axes, keepdim=True)
            with torch.no_grad():
                self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean
                self.moving_var = 0.9 * self.moving_var + 0.1 * var
        return self.gamma * (x - mean) / torch.sqrt(var + 1e-5) + self.beta


def library_norm(features, axes):
    return nn.BatchNorm1d(features) if axes == 2 else nn.BatchNorm2d(features)


def no_norm(features, axes):
    return nn.Identity()


def lenet(norm=no_norm):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), norm(6, 4), nn.Sigmoid(), nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 16, 5), norm(16, 4), nn.Sigmoid(), nn.MaxPool2d(2, 2), nn.Flatten(),
        nn.Linear(256, 120), norm(120, 2), nn.Sigmoid(),
        nn.Linear(120, 84), norm(84, 2), nn.Sigmoid(),
        nn.Linear(84, 10),
    )  # fmt: skip


def alexnet(image_size, dropout):
    flattened = {224: 6400, 67: 256}[image_size]
    return nn.Sequential(
        nn.Conv2d(1, 96, 11, 4), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 384, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(flattened, 4096), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4096, 10),
    )  # fmt: skip


def vgg(image_size, dropout):
    layers, channels = [], 1
    for num_convs, features in ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)):
        for _ in range(num_convs):
            layers += [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU()]
            channels = features
        layers.append(nn.MaxPool2d(2, 2))
    dense = [
        nn.Linear(128 * (image_size // 32) ** 2, 1024),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(1024, 10),
    ]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def nin(dropout):
    def block(channels, features, size, stride, padding):
        return nn.Sequential(
            nn.Conv2d(channels, features, size, stride, padding), nn.ReLU(),
            nn.Conv2d(features, features, 1), nn.ReLU(), nn.Conv2d(features, features, 1), nn.ReLU(),
        )  # fmt: skip

    return nn.Sequential(
        block(1, 96, 11, 4, 0), nn.MaxPool2d(3, 2), block(96, 256, 5, 1, 2), nn.MaxPool2d(3, 2),
        block(256, 384, 3, 1, 1), nn.MaxPool2d(3, 2), nn.Dropout(dropout),
        block(384, 10, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


class Inception(nn.Module):
    def __init__(self, channels, c1, c2, c3, c4):
        super().__init__()
        self.p1_1 = nn.Conv2d(channels, c1, 1)
        self.p2_1 = nn.Conv2d(channels, c2[0], 1)
        self.p2_2 = nn.Conv2d(c2[0], c2[1], 3, padding=1)
        self.p3_1 = nn.Conv2d(channels, c3[0], 1)
        self.p3_2 = nn.Conv2d(c3[0], c3[1], 5, padding=2)
        self.p4_2 = nn.Conv2d(channels, c4, 1)

    def forward(self, x):
        paths = (
            self.p1_1(x), self.p2_2(self.p2_1(x)), self.p3_2(self.p3_1(x)),
            self.p4_2(F.max_pool2d(x, 3, stride=1, padding=1)),
        )  # fmt: skip
        return torch.cat([F.relu(path) for path in paths], dim=1)


def googlenet():
    def halve():
        return nn.MaxPool2d(3, 2, 1)

    return nn.Sequential(
        nn.Conv2d(1, 64, 7, 2, 3), nn.ReLU(), halve(),
        nn.Conv2d(64, 64, 1), nn.ReLU(), nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(), halve(),
        Inception(192, 64, (96, 128), (16, 32), 32), Inception(256, 128, (128, 192), (32, 96), 64), halve(),
        Inception(480, 192, (96, 208), (16, 48), 64), Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64), Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128), halve(),
        Inception(832, 256, (160, 320), (32, 128), 128), Inception(832, 384, (192, 384), (48, 128), 128),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10),
    )  # fmt: skip


class Residual(nn.Module):
    def __init__(self, channels, features, stride=1, project=False):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, features, 3, stride, 1)
        self.conv2 = nn.Conv2d(features, features, 3, 1, 1)
        self.conv3 = nn.Conv2d(channels, features, 1, stride) if project else None
        self.bn1, self.bn2 = nn.BatchNorm2d(features), nn.BatchNorm2d(features)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.conv3 is None else self.conv3(x)))


def resnet():
    blocks = [Residual(64, 64), Residual(64, 64)]
    for features in (128, 256, 512):
        blocks += [Residual(features // 2, features, 2, project=True), Residual(features, features)]
    return nn.Sequential(
        nn.Conv2d(1, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


class DenseBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(channels + 32 * i), nn.ReLU(), nn.Conv2d(channels + 32 * i, 32, 3, padding=1))
            for i in range(4)
        )

    def forward(self, x):
        for conv in self.convs:
            x = torch.cat([x, conv(x)], dim=1)
        return x


class Halving(nn.Module):
    """Average pooling of 2x2. The window is clipped to a map of one pixel, as PyTorch did before version 1.2."""

    def forward(self, x):
        return F.avg_pool2d(x, [min(2, size) for size in x.shape[2:]])


def densenet():
    layers, channels = [nn.Conv2d(1, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for number in range(4):
        layers.append(DenseBlock(channels))
        channels += 4 * 32
        if number < 3:
            half = channels // 2
            layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, half, 1), Halving()]
            channels = half
    head = [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    return nn.Sequential(*layers, *head)


def build(name, image_size, *, dropout=0.5):
    """Build the book's network called `name`, with initial weights, for grayscale images of `image_size` pixels."""
    match name:
        case "lenet":
            return lenet()
        case "lenet_bn":
            return lenet(library_norm)
        case "lenet_bn_scratch":
            return lenet(ScratchBatchNorm)
        case "alexnet":
            return alexnet(image_size, dropout)
        case "vgg":
            return vgg(image_size, dropout)
        case "nin":
            return nin(dropout)
        case "googlenet":
            return googlenet()
        case "resnet":
            return resnet()
        case "densenet":
            return densenet()
        case _:
            raise ValueError(f"network {name!r} is unknown: expected the name of one of the book's recipes")
