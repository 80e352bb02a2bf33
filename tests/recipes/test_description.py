import json
from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import pytest
from flax import linen as nn
from networks import shapes_of

from jaxcnn import InputError, layers, models
from jaxcnn.models import LeNet
from jaxcnn.recipes import ALL_RECIPES, RECIPES, Recipe
from jaxcnn.recipes.description import describe, rebuild


@pytest.mark.parametrize("name", ALL_RECIPES)
def test_settings_survive_a_json_round_trip(name):
    settings = ALL_RECIPES[name].settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings["recipe"] == name
    assert not {"reference", "note", "caveat", "title"} & set(settings)


def test_different_networks_have_different_settings():
    descriptions = {json.dumps(recipe.settings()["model"]) for recipe in RECIPES.values()}
    assert len(descriptions) == len(RECIPES)


def test_a_changed_network_has_another_description():
    one = describe(models.ResNet18(norm=layers.library_batch_norm))
    assert describe(models.ResNet18(norm=layers.library_batch_norm)) == one
    changed = [
        models.ResNet18(norm=layers.uniform_scale_batch_norm),
        models.ResNet18(norm=partial(layers.library_batch_norm, momentum=0.8)),
        models.ResNet34(norm=layers.library_batch_norm),
        models.ResNet18(norm=layers.library_batch_norm, num_classes=5),
    ]
    assert one not in [describe(model) for model in changed]


def test_the_description_of_a_network_excludes_dtype():
    assert describe(models.LeNet(dtype=jnp.bfloat16)) == describe(models.LeNet())


def test_functions_and_classes_are_named_by_their_path():
    assert describe(shapes_of) == {"function": "networks:shapes_of"}
    assert describe(nn.relu) == {"function": "flax.linen:relu"}
    assert describe(models.LeNet) == {"function": "jaxcnn.models:LeNet"}
    assert describe((1, [2.5, "x"], None, True)) == [1, [2.5, "x"], None, True]
    assert describe(partial(LeNet, norm=nn.relu)) == {"partial": "jaxcnn.models:LeNet", "norm": describe(nn.relu)}


def test_settings_that_older_records_lack_are_left_out_at_their_default():
    recipe = RECIPES["lenet"]
    accumulating = replace(recipe, accumulate=4)
    assert "accumulate" not in recipe.settings()
    assert accumulating.settings()["accumulate"] == 4
    for one, other in ((recipe, accumulating), (accumulating, recipe)):
        assert one.with_settings(other.settings()) == other
        assert Recipe.from_settings(other.settings()).accumulate == other.accumulate


def test_later_fields_are_left_out_at_their_default():
    assert not {"use_bias", "small_stem"} & set(describe(models.ResNet18()))
    changed = models.ResNet18(use_bias=False, small_stem=True)
    assert describe(changed) == {**describe(models.ResNet18()), "use_bias": False, "small_stem": True}
    assert describe(rebuild(describe(changed))) == describe(changed)


def test_from_settings_rebuilds_a_recipe():
    recipe = replace(RECIPES["densenet"], name="mine", optimizer="sgd", optimizer_options={"momentum": 0.9})
    settings = json.loads(json.dumps(recipe.settings()))
    assert Recipe.from_settings(settings).settings() == settings
    with pytest.raises(KeyError, match="optimizer"):
        Recipe.from_settings({name: value for name, value in settings.items() if name != "optimizer"})
    with pytest.raises((InputError, TypeError), match="model"):  # jaxtyping checks types before the recipe does
        RECIPES["lenet"].with_settings({"model": {"function": "flax.linen:relu"}})


@pytest.mark.parametrize("name", ALL_RECIPES)
def test_rebuild_inverts_describe(name):
    model = ALL_RECIPES[name].model
    again = rebuild(json.loads(json.dumps(describe(model))))
    assert type(again) is type(model)
    assert describe(again) == describe(model)


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ({"function": "os:system"}, "os:system is not allowed: expected a class or function of jaxcnn.models"),
        ({"class": "jax._src.xla_bridge:os.system", "command": "touch pwned"}, "is not allowed: expected a class"),
        ({"class": "flax.linen:relu"}, "is not a class of networks or settings"),
        ({"partial": "jax.numpy:save", "file": "pwned"}, "is not a class or function of"),
        ({"function": "jaxcnn.data:prepare_tfds"}, "is not allowed: expected a class"),
        ({"function": "jaxcnn.models.lenet:jnp"}, "is not allowed: jnp is a module"),
        ({"class": "jaxcnn.models:AlexNet2"}, "does not exist in this version"),
        ({"partial": "jaxcnn.layers.nowhere:norm"}, "does not exist in this version"),
    ],
)
def test_rebuild_rejects_missing_and_foreign_names(description, reason):
    with pytest.raises(ValueError, match=reason):
        rebuild({"class": "jaxcnn.models:LeNet", "norm": description})


def test_describe_rejects_other_types():
    with pytest.raises(TypeError, match="cannot be a setting of a recipe: expected None, a number, a string"):
        describe(jnp.ones(3))
