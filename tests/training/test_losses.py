import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.training.losses import mean_loss

LOGITS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS, OTHERS = np.array([0, 1, 2, 3, 0, 1]), np.array([3, 3, 1, 0, 0, 2])
SHARES = np.linspace(0.5, 1.0, 6, dtype=np.float32)


def naive(label_smoothing=0.0, weights=(1, 1, 1, 1), shares=(1.0,) * 6):
    """The formula of the docstring, one image after the other."""
    total = 0.0
    for logits, label, other, share in zip(LOGITS.astype(float), LABELS, OTHERS, shares, strict=True):
        negative = np.log(np.exp(logits).sum()) - logits
        for y, part in ((label, share), (other, 1 - share)):
            total += part * weights[y] * ((1 - label_smoothing) * negative[y] + label_smoothing * negative.mean())
    return total / 6


def test_the_plain_loss_is_the_mean_cross_entropy():
    assert float(mean_loss(jnp.asarray(LOGITS), jnp.asarray(LABELS))) == pytest.approx(naive())


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, (2.0, 0.0, 1.0, 0.5)])
@pytest.mark.parametrize("shares", [None, SHARES])
def test_options_follow_the_formula(label_smoothing, weights, shares):
    mixed = {} if shares is None else {"other_labels": jnp.asarray(OTHERS), "shares": jnp.asarray(shares)}
    found = mean_loss(
        jnp.asarray(LOGITS), jnp.asarray(LABELS), label_smoothing=label_smoothing, class_weights=weights, **mixed
    )
    expected = naive(label_smoothing, weights or (1,) * 4, (1.0,) * 6 if shares is None else shares)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_is_not_a_class_makes_the_loss_nan(label):
    assert np.isnan(mean_loss(jnp.asarray(LOGITS), jnp.asarray([label, 0, 0, 0, 0, 0])))


def test_narrow_logits_are_widened():
    assert mean_loss(jnp.asarray(LOGITS, jnp.bfloat16), jnp.asarray(LABELS)).dtype == jnp.float32
