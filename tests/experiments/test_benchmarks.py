"""The benchmarks run, and the compared implementations agree. Their speed is not tested."""

import json
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import jaxcnn

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


def test_corr2d_benchmark_times_all_implementations(tmp_path):
    output = tmp_path / "corr2d.json"
    runpy.run_path(str(BENCHMARKS / "corr2d.py"))["main"](size=16, kernel_size=3, repeats=2, output=output)
    results = json.loads(output.read_text())
    names = {"NumPy, loop over pixels", "SciPy, correlate2d", "XLA, convolution", "ops.corr2d"}
    assert set(results["milliseconds"]) == set(results["ratios"]) == set(results["samples"]) == names
    assert all(len(samples) == 2 and min(samples) > 0 for samples in results["samples"].values())
    assert results["ratios"]["ops.corr2d"] == 1


def test_implementations_of_operations_are_timed_and_agree(tmp_path):
    output = tmp_path / "operations.json"
    module = runpy.run_path(str(BENCHMARKS / "operations.py"))
    chosen = (module["CONVOLUTIONS"], ("lenet, conv2", "resnet at 28, stage3")), (module["POOLS"], ("lenet, pool1",))
    for sizes, names in chosen:
        few = {name: sizes[name] for name in names}
        sizes.clear()
        sizes.update(few)
    module["main"](repeats=1, batch_divisor=64, output=output)
    results = json.loads(output.read_text())
    assert {"chosen", "canonical", "lax", "product of 4"} < set(results["convolutions"]["lenet, conv2"])
    assert "whole images" in results["convolutions"]["resnet at 28, stage3"]
    assert set(results["pools"]["lenet, pool1"]) == {"chosen", "whole windows"}


def test_training_steps_are_timed_against_pytorch(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")
    output = tmp_path / "steps.json"
    contestants = ["jaxcnn", "PyTorch", "jaxcnn, step by step", "plain JAX"]
    options = ["--repeats", "2", "--sample-seconds", "0.01", "--batch-size", "64", "--output", output]
    options += ["--before", Path(jaxcnn.__file__).parents[1]]
    command = [sys.executable, BENCHMARKS / "vs_pytorch.py", "lenet", *options, "--contestants", *contestants]
    subprocess.run(command, check=True)
    comparison = json.loads(output.read_text())["comparisons"]["lenet"]
    assert set(comparison["results"]) == {*contestants, "jaxcnn, before"}
    for result in comparison["results"].values():
        assert len(result["step_seconds"]) == 2
        assert min(*result["step_seconds"], result["start_seconds"], result["peak_bytes"]) > 0
    ours, theirs = (comparison["results"][name]["step_milliseconds"] for name in contestants[:2])
    assert comparison["ratio"] == pytest.approx(ours / theirs)


def test_networks_in_keras_have_as_many_parameters():
    pytest.importorskip("keras", reason="Keras is not installed: pip install '.[keras]'")
    code = """
        import jax, keras_networks
        from jaxcnn.recipes import RECIPES

        for name in keras_networks.NETWORKS:
            recipe = RECIPES[name]
            images = jax.ShapeDtypeStruct((1, recipe.image_size, recipe.image_size, 1), "float32")
            variables = jax.eval_shape(lambda x: recipe.model.init(jax.random.key(0), x, train=False), images)
            theirs = keras_networks.build(name, recipe.image_size).trainable_variables
            ours = jax.tree.leaves(variables["params"])
            print(name, sum(x.size for x in ours) - sum(x.value.size for x in theirs))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=BENCHMARKS)
    names = ("lenet", "alexnet", "vgg", "nin", "googlenet", "lenet_bn", "resnet", "densenet")
    assert done.stdout.splitlines() == [f"{name} 0" for name in names]


def test_training_steps_are_timed_against_keras(tmp_path):
    pytest.importorskip("keras", reason="Keras is not installed: pip install '.[keras]'")
    output = tmp_path / "steps.json"
    options = ["--repeats", "2", "--sample-seconds", "0.01", "--batch-size", "64", "--output", output]
    command = [sys.executable, BENCHMARKS / "vs_pytorch.py", "lenet", *options, "--contestants", "Keras"]
    subprocess.run(command, check=True)
    comparison = json.loads(output.read_text())["comparisons"]["lenet"]
    assert min(comparison["results"]["Keras"]["step_seconds"]) > 0
    assert comparison["ratio"] is None


def test_ensembles_and_data_parallel_steps_are_timed(tmp_path, monkeypatch, sample_as_fashion_mnist):
    output = tmp_path / "scaling.json"
    module = runpy.run_path(str(BENCHMARKS / "scaling.py"))
    monkeypatch.setitem(module["medians"].__globals__, "NUM_MEMBERS", (1, 2))
    monkeypatch.setitem(module["medians"].__globals__, "DEVICES", (1, 2))
    module["main"](steps=3, repeats=1, output=output)
    found = json.loads(output.read_text())["recipes"]["lenet"]
    assert set(found["chosen"]) == {"1", "2"}
    assert {"1 single", f"2 {found['chosen']['2']}", "2 vmap", "batches sharded over 2 devices"} <= set(found["ms"])
    assert min(found["ms"].values()) > 0


def test_initial_batch_norm_scales_are_compared(tmp_path, sample_as_fashion_mnist):
    output = tmp_path / "scales.json"
    module = runpy.run_path(str(BENCHMARKS.parent / "batch_norm_scales.py"))
    module["main"](("lenet_bn",), seeds=2, epochs=1, limit=64, output=output)
    losses = json.loads(output.read_text())["losses"]["lenet_bn"]
    assert losses["the book"] == [1.355]
    found = {gamma: losses[f"gamma {gamma}"] for gamma in ("U(0, 1)", "1")}
    assert all(set(runs) == {"0", "1"} for runs in found.values())
    assert found["1"]["0"] != found["U(0, 1)"]["0"]


@pytest.mark.filterwarnings("ignore:builtin type event_stats has no __module__")  # jaxlib 0.12 on Python 3.13
def test_a_step_is_profiled_by_kind_and_layer(tmp_path):
    output = tmp_path / "profile.json"
    module = runpy.run_path(str(BENCHMARKS / "profile_step.py"))
    module["main"](("lenet_bn",), batch_size=8, steps=1, output=output)
    found = json.loads(output.read_text())["recipes"]["lenet_bn"]
    assert found["operations_milliseconds"] > 0
    for shares in (found["kinds"], found["layers"]):
        assert sum(shares.values()) == pytest.approx(found["operations_milliseconds"])
    assert found["kinds"]["matrix product"] > 0
    assert found["kinds"]["reduction"] > 0
    assert {f"{layer}, {which}" for layer in ("conv1", "norm1", "dense3") for which in ("forward", "backward")} <= set(
        found["layers"]
    )


def test_the_kind_of_a_fusion_is_that_of_its_most_expensive_part():
    text = """
    %fused_computation (p: f32[4,4]) -> f32[4] {
      %p = f32[4,4]{1,0} parameter(0)
      %t.1 = f32[4,4]{0,1} transpose(%p), dimensions={1,0}
      ROOT %r = f32[4]{0} reduce(%t.1), dimensions={0}
    }
    ENTRY %main (x: f32[4,4]) -> f32[4] {
      %x = f32[4,4]{1,0} parameter(0)
      %c.2 = f32[4,4]{1,0} copy(%x)
      ROOT %f = f32[4]{0} fusion(%c.2), kind=kLoop, calls=%fused_computation, metadata={op_name="jit(f)/jvp(N)/a/sum"}
    }
    """
    module = runpy.run_path(str(BENCHMARKS / "profile_step.py"))
    program = module["read_program"](textwrap.dedent(text))
    assert (program["f"].kind, program["f"].scope) == ("reduction", "jit(f)/jvp(N)/a/sum")
    assert program["c.2"].kind == "copy"


def test_streamed_and_resident_images_are_timed(tmp_path, sample_as_fashion_mnist):
    output = tmp_path / "streaming.json"
    module = runpy.run_path(str(BENCHMARKS / "streaming.py"))
    module["main"](recipes=("lenet",), steps=2, repeats=1, output=output)
    found = json.loads(output.read_text())["recipes"]["lenet"]
    assert found["steps"] == 2
    assert set(found["images_per_second"]) == {"resident", "streamed from memory", "streamed from disk"}
    assert min(found["images_per_second"].values()) > 0
