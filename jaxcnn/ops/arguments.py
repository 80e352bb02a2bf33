"""Checks and conversions that every operation applies to its arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

_FLOATS = tuple(map(np.dtype, (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64)))

ArrayLike = Array | np.ndarray
"""A JAX array, traced or not, or a NumPy array."""


def check_shapes(operation: str, **arguments: tuple[Any, str]) -> dict[str, Any]:
    """Check the axes of arrays against their names. Axes with the same name must have the same size.

    Args:
        operation: name of the operation, for the error message.
        **arguments: by argument name, the array and the names of its axes, separated by spaces.

    Returns:
        Axis sizes by name: integers, or symbolic dimensions while `jax.export` traces for any size.

    Raises:
        ValueError: if an argument is not an array, has another number of axes, or sizes differ.

    Examples:
        >>> check_shapes("product", x=(np.ones((2, 3)), "N F"), kernel=(np.ones((3, 5)), "F O"))
        {'N': 2, 'F': 3, 'O': 5}
        >>> check_shapes("product", x=(np.ones((2, 3)), "N F"), kernel=(np.ones((4, 5)), "F O"))
        Traceback (most recent call last):
        ValueError: product: expected x (N, F) and kernel (F, O), got x (2, 3) and kernel (4, 5): F is both 3 and 4
    """
    for name, (array, _) in arguments.items():
        if not hasattr(array, "shape"):
            raise ValueError(f"{operation}: expected {name} to be an array, got {array!r}; use jax.numpy.asarray")
    expected = " and ".join(f"{name} ({', '.join(axes.split())})" for name, (_, axes) in arguments.items())
    given = " and ".join(f"{name} ({', '.join(map(str, array.shape))})" for name, (array, _) in arguments.items())
    complaint = f"{operation}: expected {expected}, got {given}"
    sizes: dict[str, Any] = {}
    for array, axes in arguments.values():
        names = axes.split()
        if array.ndim != len(names):
            raise ValueError(complaint)
        for name, size in zip(names, array.shape, strict=True):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"{complaint}: {name} is both {sizes[name]} and {size}")
    return sizes


def as_floats(*arrays: ArrayLike) -> tuple[Array, ...]:
    """Convert `arrays` to their common floating type.

    Integers and booleans take the type of the float arrays, or JAX's default float type if there are none.

    Raises:
        ValueError: if an array has another type, such as complex numbers or 8-bit floats.
    """
    for array in arrays:
        if array.dtype not in _FLOATS and not jnp.issubdtype(array.dtype, jnp.integer) and array.dtype != np.bool_:
            raise ValueError(
                f"unsupported array type {array.dtype}: expected float16, bfloat16, float32, float64, integers or "
                "booleans; convert it with astype"
            )
    # in its strict mode, JAX would refuse arrays of different types
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*arrays, 1.0)
    return tuple(jnp.asarray(array, dtype) for array in arrays)


def as_wide_floats(*arrays: ArrayLike) -> tuple[Array, ...]:
    """Convert as `as_floats`, to float32 or wider, for sums."""
    return tuple(array.astype(widen(array.dtype)) for array in as_floats(*arrays))


def widen(dtype: DTypeLike) -> DTypeLike:
    """The type for sums of numbers of type `dtype`: float64 for float64, otherwise float32.

    Examples:
        >>> widen(jnp.bfloat16) == jnp.float32, widen(np.dtype("int32")) == jnp.float32
        (True, True)
    """
    return dtype if dtype == np.float64 else jnp.float32
