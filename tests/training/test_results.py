import jax
import optax

from jaxcnn.models import LeNet
from jaxcnn.training import EpochFigures, EpochResult, create_train_state


def test_the_figures_of_a_result_are_all_but_its_state():
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (28, 28, 1))
    numbers = (1, 1.9, 0.3, 1.1, 0.6, 4.7, 15000.0, 2.0)
    assert EpochResult(*numbers, state=state).figures == EpochFigures(*numbers)
