import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxcnn.training import compilation
from jaxcnn.training.compilation import compiled, known_options


@compiled(static_argnames="times")
def scaled(x, *, times):
    return times * x


def test_it_computes_the_same_alone_and_inside_other_programs():
    expected = 6.0
    assert scaled(2.0, times=3) == expected
    assert jax.jit(lambda x: scaled(x, times=3))(2.0) == expected
    assert jax.jit(lambda: scaled(2.0, times=3))() == expected  # traced, though no argument is
    assert jax.vmap(lambda x: scaled(x, times=3))(jnp.array([2.0])) == expected
    assert jax.grad(lambda x: scaled(x, times=3))(2.0) == 3
    assert lax.fori_loop(0, 2, lambda _, x: scaled(x, times=3), 2.0) == 18
    assert jax.eval_shape(lambda x: scaled(x, times=3), 2.0).shape == ()


def test_it_is_called_what_its_function_is():
    assert scaled.__name__ == "scaled"


@pytest.fixture
def asked_anew():
    known_options.cache_clear()
    yield
    known_options.cache_clear()


def test_options_that_this_xla_does_not_know_are_left_out(asked_anew, monkeypatch):
    monkeypatch.setattr(compilation, "OPTIONS", compilation.OPTIONS | {"xla_of_another_version": "1"})
    assert "xla_of_another_version" not in known_options()


def test_a_program_is_compiled_with_the_options():
    """On a CPU its convolutions are XLA's own, where this version could hand them to YNNPACK."""
    if not known_options():
        pytest.skip("this version of XLA knows none of the options")
    x, kernel = jnp.ones((2, 12, 12, 32)), jnp.ones((3, 3, 32, 32))

    def convolve(x, kernel):
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    program = jax.jit(convolve, compiler_options=known_options()).lower(x, kernel).compile()
    assert "convolution(" in program.as_text()
    assert "ynn_fusion" not in program.as_text()
