from dataclasses import replace

from jaxcnn.data import Normalization, RandomErasing
from jaxcnn.report.grouping import group_runs


def test_groups_differ_in_settings_other_than_the_seed(validated):
    slow, fast = group_runs(validated)
    assert [len(slow.runs), len(fast.runs)] == [3, 1]
    assert slow.title == "LeNet with batch norm, learning rate 0.001"
    assert fast.differences == ("learning rate 0.01",)


def test_a_setting_that_only_another_group_has_is_none(make_run):
    run = make_run([(None, 0.5)])
    held_out = replace(run, config=replace(run.config, val_fraction=0.1))
    assert [group.differences for group in group_runs([run, held_out])] == [
        ("val fraction none",), ("val fraction 0.1",)
    ]  # fmt: skip


def test_settings_are_named_as_their_options(make_run):
    run = make_run([(None, 0.5)])
    recipe = replace(run.config.recipe, augmentation=RandomErasing(0.5), normalization=Normalization((0.5,), (0.5,)))
    augmented = replace(run, config=replace(run.config, recipe=recipe))
    assert [group.differences for group in group_runs([run, augmented])] == [
        ("augment none", "normalize no"), ("augment erase:0.5", "normalize yes")
    ]  # fmt: skip


def test_settings_without_an_option_are_named_as_recorded(make_run):
    run = make_run([(None, 0.5)])
    recipe = replace(run.config.recipe, init_gain=2.0)
    other = replace(run, config=replace(run.config, recipe=recipe))
    assert [group.differences for group in group_runs([run, other])] == [("init gain none",), ("init gain 2.0",)]


def test_the_first_run_of_each_seed_is_counted(validated):
    slow, _ = group_runs(validated)
    assert [run.config.seed for run in slow.by_seed.values()] == [0, 1]
    (repeated,) = slow.repeated
    assert repeated is validated[2]
    assert slow.seconds == 3 * 22.5


def test_results_are_those_of_the_best_epoch_by_validation(validated, make_run):
    slow, _ = group_runs(validated)
    assert [result.test_accuracy for result in slow.results] == [0.6, 0.8]
    (unvalidated,) = group_runs([make_run([(None, 0.9), (None, 0.3)])])
    assert [result.test_accuracy for result in unvalidated.results] == [0.3]
