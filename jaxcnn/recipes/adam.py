"""Adam with the paper's epsilon hat."""

from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import PyTree


def adam_epsilon_hat(
    learning_rate: optax.ScalarOrSchedule, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam whose epsilon is added before the correction of the bias, as in PyTorch before 1.3.

    In step t, with the gradient g:

        m = b1 m + (1 - b1) g
        v = b2 v + (1 - b2) g^2
        parameter -= learning_rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)

    `optax.adam` adds eps to sqrt(v / (1 - b2^t)) instead. This equals `optax.adam` with eps / sqrt(1 - b2^t) for eps in
    step t: with the defaults, 32 eps in step 1, 3.2 eps in step 100 and 1.3 eps in step 1000. The two differ for
    gradients of this size and smaller. Keras has this form too, with eps=1e-7.

    Args:
        learning_rate: the learning rate, or its schedule.
        b1: decay of m, the mean of the gradients.
        b2: decay of v, the mean of their squares.
        eps: the paper's epsilon hat.

    Returns:
        The optimizer. Its state is that of `optax.adam`.

    Examples:
        >>> params = jnp.zeros(2)
        >>> optimizer = adam_epsilon_hat(0.1)
        >>> updates, _ = optimizer.update(jnp.array([1.0, 1e-8]), optimizer.init(params), params)
        >>> [round(float(update), 4) for update in updates]
        [-0.1, -0.0031]

    References:
        D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, the end of section 2.
    """

    def update(updates: PyTree, state: Any, params: PyTree | None = None) -> tuple[PyTree, Any]:
        correction = 1 - b2 ** (state.count + 1)
        return optax.scale_by_adam(b1, b2, eps / jnp.sqrt(correction)).update(updates, state, params)

    adam = optax.GradientTransformation(optax.scale_by_adam(b1, b2).init, update)
    return optax.chain(adam, optax.scale_by_learning_rate(learning_rate))
