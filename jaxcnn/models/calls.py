"""Recording of module calls, for the shapes, activations and order of a network's layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
from flax import linen as nn


class ModuleCall(NamedTuple):
    """One call of a Linen module.

    Attributes:
        module: the module.
        path: its name and those of the modules around it, outermost first; empty for the network itself.
        args: its positional arguments.
        output: its result.
    """

    module: nn.Module
    path: tuple[str, ...]
    args: tuple[Any, ...]
    output: Any

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the output for one image, of the first array if there are several; () for none."""
        arrays = jax.tree.leaves(self.output)
        return arrays[0].shape[1:] if arrays else ()


@contextmanager
def record_calls() -> Iterator[list[ModuleCall]]:
    """Record every call of a Linen module's `__call__` within the context.

    Yields:
        The calls, in the order in which they return: a block follows its layers. Under a JAX transformation the arrays
        are tracers.

    Examples:
        >>> import jax
        >>> from jaxcnn.models import LeNet
        >>> with record_calls() as calls:
        ...     variables = LeNet().init(jax.random.key(0), jax.numpy.zeros((1, 28, 28, 1)), train=False)
        >>> [call.path[-1] for call in calls if call.path][:3]
        ['conv1', 'conv2', 'flatten']
    """
    calls: list[ModuleCall] = []

    def record(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any) -> Any:
        output = call(*args, **kwargs)
        if context.method_name == "__call__":
            calls.append(ModuleCall(context.module, context.module.path, args, output))
        return output

    with nn.intercept_methods(record):
        yield calls
