from dataclasses import replace

from jaxcnn.data import Mixup, Normalization, parse_augmentation
from jaxcnn.recipes import RECIPES, get_recipe
from jaxcnn.report.command import command_of
from jaxcnn.runs import InitFrom, RunConfig
from jaxcnn.runs.data_spec import ARRAYS, DataSpec


def test_the_command_has_all_changed_settings():
    config = RunConfig(
        replace(RECIPES["nin"], learning_rate=0.1, accumulate=8), seed=2, limit=8, dtype="bfloat16", deterministic=True
    )
    expected = "jaxcnn train nin --learning-rate 0.1 --accumulate 8 --seed 2 --limit 8 --dtype bfloat16 --deterministic"
    assert command_of(config) == expected


def test_the_command_has_ema_augmentation_and_validation():
    recipe = replace(
        get_recipe("resnet_modern"), ema_decay=0.999, augmentation=parse_augmentation("flip,erase:0.5")[0],
        optimizer="sgd", optimizer_options={"momentum": 0.9, "nesterov": True}, clip_norm=1.0,
    )  # fmt: skip
    config = RunConfig(recipe, val_fraction=0.1, val_seed=2, patience=3, until=0.94)
    assert command_of(config) == (
        "jaxcnn train resnet_modern --optimizer sgd:momentum=0.9,nesterov=true --clip-norm 1.0 --ema 0.999 "
        "--augment flip,erase:0.5 --val-fraction 0.1 --val-seed 2 --patience 3 --until 0.94"
    )


def test_the_command_is_quoted_for_a_shell():
    data = DataSpec("folder:/my pictures/$HOME", ("a",), (28, 28, 1), None)
    config = RunConfig(RECIPES["nin"], data=data)
    assert command_of(config) == "jaxcnn train nin --data 'folder:/my pictures/$HOME'"


def test_the_command_names_the_weights_and_the_frozen_layers():
    recipe = replace(RECIPES["lenet"], freeze=("conv*", "dense1/bias"))
    config = RunConfig(recipe, init_from=InitFrom("runs/lenet", "0" * 64))
    expected = "jaxcnn train lenet --freeze 'conv*,dense1/bias' --init-from runs/lenet"
    assert command_of(config) == expected


def test_the_command_normalizes_and_weights_as_the_run_did():
    recipe = replace(
        RECIPES["lenet"], normalization=Normalization((0.3,), (0.4,)), class_weights=(2.0, 0.5), mixing=Mixup(0.2)
    )
    expected = "jaxcnn train lenet --augment mixup:0.2 --class-weights 2.0,0.5 --normalize"
    assert command_of(RunConfig(recipe)) == expected


def test_a_recipe_of_a_script_has_no_command():
    recipe = replace(RECIPES["lenet"], name="own")
    assert command_of(RunConfig(recipe)) == ""


def test_a_run_on_arrays_has_no_command():
    data = DataSpec(ARRAYS, ("a",), (28, 28, 1), None)
    assert command_of(RunConfig(RECIPES["lenet"], data=data)) == ""


def test_the_command_has_a_warm_up_that_epochs_does_not_give():
    speedrun = get_recipe("speedrun")
    shorter = "jaxcnn train speedrun --epochs 4"
    assert command_of(RunConfig(speedrun.with_epochs(4))) == shorter
    assert command_of(RunConfig(replace(speedrun, num_epochs=4))) == f"{shorter} --warmup-epochs 2.0"


def test_the_command_replaces_what_the_recipe_itself_has(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom jaxcnn.data import Normalization\nfrom jaxcnn.recipes import RECIPES\n"
        "recipe = replace(RECIPES['lenet'], name='mine', normalization=Normalization((0.5,), (0.5,)), "
        "class_weights='balanced')\n"
    )
    recipe = get_recipe(f"{tmp_path / 'mine.py'}:recipe")
    changed = replace(recipe, normalization=Normalization((0.3,), (0.4,)), class_weights=None)
    assert command_of(RunConfig(recipe)).endswith("mine.py:recipe")
    assert command_of(RunConfig(changed)).endswith("mine.py:recipe --class-weights none --normalize")
