import json
from dataclasses import replace

import pytest

from jaxcnn import InputError, cli
from jaxcnn.cli.recipe_options import RecipeOptions
from jaxcnn.data import Augmentation, Chain, Mixup, RandomErasing
from jaxcnn.recipes import get_recipe

pytestmark = pytest.mark.usefixtures("restore_log_levels")


def test_options_that_are_not_given_change_nothing():
    for name in ("lenet", "resnet_modern"):
        assert RecipeOptions().change(get_recipe(name)) == get_recipe(name)
        assert RecipeOptions().learning_rates(get_recipe(name)) == (get_recipe(name).learning_rate,)


def test_each_option_changes_its_field():
    options = RecipeOptions(
        epochs=3, batch_size=64, optimizer="sgd:momentum=0.9,nesterov=true", schedule="cosine", warmup_epochs=0.5,
        weight_decay=0.01, clip_norm=1.0, label_smoothing=0.1, accumulate=2, ema=0.99,
        augment="flip,erase:0.5,mixup:0.3", normalize=True, class_weights="balanced", freeze="conv*,dense1/bias",
    )  # fmt: skip
    recipe = options.change(get_recipe("lenet"))
    changed = {
        "num_epochs": 3, "batch_size": 64, "optimizer": "sgd", "schedule": "cosine", "warmup_epochs": 0.5,
        "weight_decay": 0.01, "clip_norm": 1.0, "label_smoothing": 0.1, "accumulate": 2, "ema_decay": 0.99,
        "augmentation": Chain((Augmentation(flip=True), RandomErasing(0.5))), "mixing": Mixup(0.3),
        "normalization": "train", "class_weights": "balanced", "freeze": ("conv*", "dense1/bias"),
    }  # fmt: skip
    assert {name: getattr(recipe, name) for name in changed} == changed
    assert dict(recipe.optimizer_options) == {"momentum": 0.9, "nesterov": True}


def test_none_trains_all_layers_of_a_recipe():
    recipe = replace(get_recipe("lenet"), freeze=("conv*",))
    assert RecipeOptions(freeze="none").change(recipe) == get_recipe("lenet")
    assert RecipeOptions().change(recipe) == recipe


def test_another_optimizer_or_schedule_has_its_own_arguments():
    recipe = get_recipe("lenet")
    assert dict(recipe.optimizer_options)
    assert not RecipeOptions(optimizer="lion").change(recipe).optimizer_options
    modern = get_recipe("lenet_modern")
    assert not RecipeOptions(schedule="linear").change(modern).schedule_options
    assert RecipeOptions(schedule=modern.schedule).change(modern) == modern


def test_the_warm_up_of_fewer_epochs_keeps_its_share():
    recipe = get_recipe("speedrun")
    short = RecipeOptions(epochs=4).change(recipe)
    assert (short.num_epochs, short.warmup_epochs) == (4, recipe.warmup_epochs * 4 / recipe.num_epochs)
    assert RecipeOptions(epochs=4, warmup_epochs=1.0).change(recipe).warmup_epochs == 1.0
    assert RecipeOptions(epochs=99).change(recipe).warmup_epochs == recipe.warmup_epochs


@pytest.mark.parametrize(
    "name", ["sgd:momentum=0.9,nesterov=true", "adam", "adamw", "lion", "muon", "adam_epsilon_hat", "filter_muon"]
)
def test_common_optimizers_train(sample_requests, tmp_path, name):
    path = tmp_path / "run"
    options = ["--optimizer", name, "--weight-decay", "0.01", "--lr", "0.001", "--limit", "32", "--epochs", "1"]
    assert cli.main(["train", "lenet", *options, "--workdir", str(path)]) == 0
    assert json.loads((path / "config.json").read_text())["optimizer"] == name.partition(":")[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adem"}, "optimizer 'adem' is unknown: did you mean adam"),
        ({"optimizer": "lionn"}, "optimizer 'lionn' is unknown: did you mean lion"),
        ({"optimizer": "galore_adamw"}, "optimizer 'galore_adamw' is unknown: did you mean galore\\?"),
        ({"optimizer": "sgd:momentum"}, "--optimizer sgd:momentum: expected arguments as NAME=VALUE"),
        ({"optimizer": "sgd:momentum=high"}, "--optimizer sgd:momentum=high: expected arguments"),
        ({"optimizer": "sgd:momentum=true,decay=[1]"}, "expected arguments as NAME=VALUE"),
        ({"optimizer": 'sgd:momentum="high"'}, "expected arguments as NAME=VALUE"),
        ({"optimizer": "adamw:weight_decay=0.1", "weight_decay": 0.5}, "--weight-decay 0.5: .*has another; give one"),
        ({"class_weights": "equal"}, "--class-weights equal: expected balanced, none, or a number for each class"),
        ({"schedule": "cyclic"}, "schedule 'cyclic' is unknown: expected one of constant, linear"),
        ({"warmup_epochs": -1.0}, r"warmup_epochs -1\.0: expected 0 or more"),
        ({"weight_decay": -1.0}, r"weight_decay -1\.0: expected 0 or more"),
        ({"clip_norm": 0.0}, r"clip_norm 0\.0: expected a number above 0"),
        ({"label_smoothing": 1.0}, r"label_smoothing 1\.0: expected 0 or more, and less than 1"),
    ],
)
def test_invalid_values_raise(options, message):
    with pytest.raises(InputError, match=message):
        RecipeOptions(**options).change(get_recipe("lenet"))


@pytest.mark.parametrize("name", ["sgd:momentun=0.9", "adam:b1=null", "muon:ns_coeffs=1", "filter_muon:ns_steps=2.5"])
def test_an_optimizer_that_refuses_its_arguments_raises(name):
    options = RecipeOptions(optimizer=name)
    with pytest.raises(InputError, match=f"optimizer {name.partition(':')[0]}"):
        options.check_optimizer(options.change(get_recipe("lenet")))


@pytest.mark.parametrize("name", ["sgd", "lion", "muon", "filter_muon", "adafactor", "lbfgs", "novograd"])
def test_optimizers_that_take_their_arguments_are_accepted(name):
    options = RecipeOptions(optimizer=name)
    options.check_optimizer(options.change(get_recipe("lenet")))


def test_a_learning_rate_is_a_number():
    assert RecipeOptions(learning_rate="1e-4,0.5").learning_rates(get_recipe("lenet")) == (1e-4, 0.5)
    with pytest.raises(InputError, match="--learning-rate high: expected a number"):
        RecipeOptions(learning_rate="high").learning_rates(get_recipe("lenet"))
