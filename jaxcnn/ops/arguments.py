"""What every operation does first with its arrays: their shapes must agree, and they take one floating type."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

_FLOATS = tuple(map(np.dtype, (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64)))

ArrayLike = Array | np.ndarray
"""An array of JAX's, traced or not, or of NumPy's."""


def check_shapes(operation: str, **arguments: tuple[Any, str]) -> dict[str, Any]:
    """Sizes of the axes of each array by the names beside it; axes of one name must have one size.

    Sizes are whole numbers, or symbols while a program for any size is exported.

    Raises:
        ValueError: about `operation`, if an argument is no array, has another number of axes, or sizes differ.

    Examples:
        >>> check_shapes("product", x=(np.ones((2, 3)), "N F"), kernel=(np.ones((3, 5)), "F O"))
        {'N': 2, 'F': 3, 'O': 5}
        >>> check_shapes("product", x=(np.ones((2, 3)), "N F"), kernel=(np.ones((4, 5)), "F O"))
        Traceback (most recent call last):
        ValueError: product needs x (N, F) and kernel (F, O), not x (2, 3) and kernel (4, 5): F is 3 and 4
    """
    for name, (array, _) in arguments.items():
        if not hasattr(array, "shape"):
            raise ValueError(f"{operation} needs arrays, and {name} is {array!r}; jax.numpy.asarray makes arrays")
    needed = " and ".join(f"{name} ({', '.join(axes.split())})" for name, (_, axes) in arguments.items())
    given = " and ".join(f"{name} ({', '.join(map(str, array.shape))})" for name, (array, _) in arguments.items())
    complaint = f"{operation} needs {needed}, not {given}"
    sizes: dict[str, Any] = {}
    for array, axes in arguments.values():
        names = axes.split()
        if array.ndim != len(names):
            raise ValueError(complaint)
        for name, size in zip(names, array.shape, strict=True):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"{complaint}: {name} is {sizes[name]} and {size}")
    return sizes


def as_floats(*arrays: ArrayLike) -> tuple[Array, ...]:
    """`arrays` in the floating type that they have in common.

    Integers and booleans take the type of the floats beside them, or JAX's default float where there are none.

    Raises:
        ValueError: if an array is of another type, such as complex numbers or floats of eight bits.
    """
    for array in arrays:
        if array.dtype not in _FLOATS and not jnp.issubdtype(array.dtype, jnp.integer) and array.dtype != np.bool_:
            raise ValueError(
                f"an array of {array.dtype}: float16, bfloat16, float32, float64 or whole numbers are needed"
            )
    dtype = jnp.result_type(*arrays, 1.0)
    return tuple(jnp.asarray(array, dtype) for array in arrays)


def as_wide_floats(*arrays: ArrayLike) -> tuple[Array, ...]:
    """`as_floats` in float32 at least, as sums need it."""
    floats = as_floats(*arrays)
    return tuple(array.astype(jnp.promote_types(array.dtype, jnp.float32)) for array in floats)
