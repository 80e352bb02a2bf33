"""The book's networks in Keras, with layers in the book's order. A benchmark trains them with Keras's JAX backend."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
from keras.layers import (
    Activation,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Identity,
    MaxPooling2D,
    ReLU,
    ZeroPadding2D,
)


def norm():
    return BatchNormalization(momentum=0.9, epsilon=1e-5)


def lenet(normalize):
    for features in (6, 16):
        yield from (Conv2D(features, 5), normalize(), Activation("sigmoid"), MaxPooling2D(2))
    yield Flatten()
    for features in (120, 84):
        yield from (Dense(features), normalize(), Activation("sigmoid"))
    yield Dense(10)


def alexnet():
    yield from (Conv2D(96, 11, 4, activation="relu"), MaxPooling2D(3, 2))
    yield from (Conv2D(256, 5, padding="same", activation="relu"), MaxPooling2D(3, 2))
    for features in (384, 384, 256):
        yield Conv2D(features, 3, padding="same", activation="relu")
    yield from (MaxPooling2D(3, 2), *dense_layers(4096))


def vgg():
    for num_convs, features in ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)):
        for _ in range(num_convs):
            yield Conv2D(features, 3, padding="same", activation="relu")
        yield MaxPooling2D(2)
    yield from dense_layers(1024)


def dense_layers(features):
    yield Flatten()
    for _ in range(2):
        yield from (Dense(features, activation="relu"), Dropout(0.5))
    yield Dense(10)


def nin():
    for features, size, strides, padding in ((96, 11, 4, "valid"), (256, 5, 1, "same"), (384, 3, 1, "same")):
        yield from (*nin_block(features, size, strides, padding), MaxPooling2D(3, 2))
    yield from (Dropout(0.5), *nin_block(10, 3, 1, "same"), GlobalAveragePooling2D())


def nin_block(features, size, strides, padding):
    yield Conv2D(features, size, strides, padding, activation="relu")
    for _ in range(2):
        yield Conv2D(features, 1, activation="relu")


def halve():
    yield from (ZeroPadding2D(1), MaxPooling2D(3, 2))  # no pooled number is negative


def googlenet():
    yield from (ZeroPadding2D(3), Conv2D(64, 7, 2, activation="relu"), *halve())
    yield from (Conv2D(64, 1, activation="relu"), Conv2D(192, 3, padding="same", activation="relu"), *halve())
    yield from (inception(64, (96, 128), (16, 32), 32), inception(128, (128, 192), (32, 96), 64), *halve())
    yield from (inception(192, (96, 208), (16, 48), 64), inception(160, (112, 224), (24, 64), 64))
    yield from (inception(128, (128, 256), (24, 64), 64), inception(112, (144, 288), (32, 64), 64))
    yield from (inception(256, (160, 320), (32, 128), 128), *halve())
    yield from (inception(256, (160, 320), (32, 128), 128), inception(384, (192, 384), (48, 128), 128))
    yield from (GlobalAveragePooling2D(), Dense(10))


def inception(c1, c2, c3, c4):
    def block(x):
        paths = (
            Conv2D(c1, 1, activation="relu")(x),
            Conv2D(c2[1], 3, padding="same", activation="relu")(Conv2D(c2[0], 1)(x)),
            Conv2D(c3[1], 5, padding="same", activation="relu")(Conv2D(c3[0], 1)(x)),
            Conv2D(c4, 1, activation="relu")(MaxPooling2D(3, 1, "same")(x)),
        )
        return Concatenate()(paths)

    return block


def resnet():
    yield from (ZeroPadding2D(3), Conv2D(64, 7, 2), norm(), ReLU(), *halve(), residual(64), residual(64))
    for features in (128, 256, 512):
        yield from (residual(features, 2, project=True), residual(features))
    yield from (GlobalAveragePooling2D(), Dense(10))


def residual(features, strides=1, project=False):
    def block(x):
        y = x
        for layer in (
            ZeroPadding2D(1), Conv2D(features, 3, strides), norm(), ReLU(), Conv2D(features, 3, padding="same"), norm()
        ):  # fmt: skip
            y = layer(y)
        return ReLU()(Add()((y, Conv2D(features, 1, strides)(x) if project else x)))

    return block


def densenet():
    yield from (ZeroPadding2D(3), Conv2D(64, 7, 2), norm(), ReLU(), *halve())
    for features in (96, 112, 120, None):
        yield from 4 * [dense_convolution]
        yield from (norm(), ReLU())
        if features is not None:
            yield from (Conv2D(features, 1), clipped_average)
    yield from (GlobalAveragePooling2D(), Dense(10))


def dense_convolution(x):
    return Concatenate()((x, Conv2D(32, 3, padding="same")(ReLU()(norm()(x)))))


def clipped_average(x):
    return AveragePooling2D(tuple(min(2, size) for size in x.shape[1:3]))(x)


NETWORKS = {
    "lenet": lambda: lenet(Identity),
    "alexnet": alexnet,
    "vgg": vgg,
    "nin": nin,
    "googlenet": googlenet,
    "lenet_bn": lambda: lenet(norm),
    "resnet": resnet,
    "densenet": densenet,
}


def build(name, image_size):
    """Build the network called `name`, compiled for training. It takes uint8 images of 28x28."""
    x = inputs = keras.Input((28, 28, 1))
    x = keras.layers.Rescaling(1 / 255)(x)
    if image_size != 28:
        x = keras.layers.Resizing(image_size, image_size)(x)
    for layer in NETWORKS[name]():
        x = layer(x)
    network = keras.Model(inputs, x)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return network
