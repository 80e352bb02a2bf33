import contextlib
import logging

import jax
import pytest

from jaxcnn import InputError
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import RunConfig, RunDirectory


@contextlib.contextmanager
def seed_offset():
    jax.config.update("jax_random_seed_offset", 1)
    try:
        yield
    finally:
        jax.config.update("jax_random_seed_offset", 0)


SETTINGS = {
    "JAX_ENABLE_X64 False there and True": lambda: jax.enable_x64(True),
    "JAX_THREEFRY_PARTITIONABLE True there and False": lambda: jax.threefry_partitionable(False),
    "JAX_DEFAULT_PRNG_IMPL threefry2x32 there and rbg": lambda: jax.default_prng_impl("rbg"),
    "JAX_RANDOM_SEED_OFFSET 0 there and 1": seed_offset,
    "JAX_DEFAULT_MATMUL_PRECISION default there and float32": lambda: jax.default_matmul_precision("float32"),
}


@pytest.mark.parametrize("difference", SETTINGS)
def test_a_run_is_not_resumed_with_other_settings_of_jax(tmp_path, record_fault, difference):
    config = RunConfig(RECIPES["lenet"])
    with jax.enable_x64(False), RunDirectory(tmp_path, config.as_json()):
        pass
    with jax.enable_x64(False), SETTINGS[difference](), pytest.raises(InputError) as raised:
        RunDirectory(tmp_path, config.as_json())
    assert f"has a run with other settings: {difference} here;" in str(raised.value)
    name = difference.partition(" there")[0].rpartition(" ")[0]
    record_fault(f"a run resumed with another {name}", "refused with the difference", str(raised.value))


def test_unrecorded_settings_of_jax_and_data_are_noted(tmp_path, caplog):
    with RunDirectory(tmp_path, {"seed": 1}):
        pass
    with caplog.at_level(logging.INFO, logger="jaxcnn"):
        RunDirectory(tmp_path, {"seed": 1, "jax": {"enable_x64": False}, "data_sha256": {"sample": "a", "all": "b"}})
    assert caplog.messages == [
        f"{tmp_path} was written by an older jaxcnn, which did not record jax enable_x64, data_sha256 sample, "
        "data_sha256 all: not compared"
    ]


def test_a_validation_split_that_was_added_or_removed_is_refused(tmp_path):
    without = {"data_sha256": {"sample": "a", "all": "b"}}
    having = {"data_sha256": {"sample": "a", "all": "b", "val": "c"}}
    for name, (there, here) in {"added": (without, having), "removed": (having, without)}.items():
        with RunDirectory(tmp_path / name, there):
            pass
        with pytest.raises(
            InputError, match=r"other settings: --data with validation images of SHA-256 (None|c) there"
        ):
            RunDirectory(tmp_path / name, here)


def test_other_contents_are_refused_and_another_place_is_not(tmp_path, caplog):
    def config(source, sample, everything):
        return {"data": {"source": source}, "data_sha256": {"sample": sample, "all": everything}}

    with RunDirectory(tmp_path, config("idx:/a", "one", "all")):
        pass
    for same in (config("idx:/b", "one", "all"), config("folder:/c", "one", None)):
        with RunDirectory(tmp_path, same):
            pass
    for other, difference in (
        (config("idx:/a", "two", "all"), "one there and two"),
        (config("idx:/a", "one", "changed"), "all there and changed"),
    ):
        with pytest.raises(InputError, match=f"other settings: --data with SHA-256 {difference} here;"):
            RunDirectory(tmp_path, other)
    assert caplog.messages == []
