"""Fixtures for all tests, and the strictness under which they run."""

import os
from pathlib import Path

# Tests compile much and compute little: less optimisation halves their time. Before JAX starts, or it has no effect.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

# What tests compile is kept neither in the user's cache nor for each other.
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")

import jax
import pytest
from hypothesis import settings

from jaxcnn import data

jax.config.update("jax_numpy_rank_promotion", "raise")

# Each new shape compiles, which takes its time: no deadline, and fewer cases than the usual hundred.
settings.register_profile("compiled", deadline=None, max_examples=25, print_blob=True)
settings.load_profile("compiled")

SAMPLE = Path(__file__).parent / "data" / "fashion_mnist_sample"


@pytest.fixture(scope="session")
def sample() -> data.Dataset:
    """The first 512 training and 256 test images of Fashion-MNIST, as they are."""
    return data.Dataset(
        data.read_idx(SAMPLE / "train-images-idx3-ubyte.gz")[..., None],
        data.read_idx(SAMPLE / "train-labels-idx1-ubyte.gz"),
        data.read_idx(SAMPLE / "t10k-images-idx3-ubyte.gz")[..., None],
        data.read_idx(SAMPLE / "t10k-labels-idx1-ubyte.gz"),
        data.FASHION_MNIST_CLASSES,
    )
