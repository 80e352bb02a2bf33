"""Compare the speed of training steps with PyTorch, for every recipe.

    python experiments/benchmarks/vs_pytorch.py [NAMES ...] [--device gpu] [--output FILE]

Each contestant has a separate process and trains while the others wait, in the order A B C A B C ... Its data, random
uint8 images, is resident on the device. A step selects shuffled rows, casts and resizes them, and runs the forward
pass, the backward pass and Adam. Compilation is timed separately. The table shows medians; the JSON file has all
samples.

PyTorch is set up as an expert would: resident data, no `.item()` in a step, both memory formats, with and without
compilation, and the fused Adam. On a GPU, two more contestants are the book's code with a DataLoader, and a tuned setup
with channels_last, bfloat16 autocast and max-autotune with CUDA graphs. Plain JAX is the same networks with lax's own
convolutions and pooling, as in Flax's nn.Conv and nn.max_pool, and one step under jax.jit. Keras is `Model.fit` on its
JAX backend; it has no network for lenet_bn_scratch. With `--before DIRECTORY`, another version of this package takes
part. All contestants use the malloc settings of `jaxcnn train`, which also speed
up PyTorch.
"""

import itertools
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from jaxcnn.data import FASHION_MNIST_CLASSES, Dataset
from jaxcnn.files import write_file
from jaxcnn.platform import configure_malloc
from jaxcnn.recipes import RECIPES

OURS = ("jaxcnn", "jaxcnn, step by step", "jaxcnn, bfloat16")
PLAIN_JAX = "plain JAX"
KERAS = "Keras"
BEFORE = "jaxcnn, before"
IN_JAX = (*OURS, PLAIN_JAX, KERAS, BEFORE)
BFLOAT16 = ("jaxcnn, bfloat16", "PyTorch, tuned")

PEERS = {"torch": "PyTorch", "keras": "Keras"}
"""Packages of other contestants, and their names."""

ON_CPU = ("jaxcnn", "PyTorch", "PyTorch, channels_last", "PyTorch, compiled", "jaxcnn, step by step", PLAIN_JAX, KERAS)
ON_GPU = (
    "jaxcnn", "jaxcnn, bfloat16", "PyTorch", "PyTorch, channels_last", "PyTorch, compiled", "PyTorch, as the book",
    "PyTorch, tuned", "jaxcnn, step by step", PLAIN_JAX, KERAS,
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """The task of every contestant of a comparison."""

    recipe: str
    image_size: int
    batch_size: int
    device: str
    sample_seconds: float


def task_of(name: str, batch_size: int | None, device: str, sample_seconds: float) -> Task:
    """The task called `name`: that of a recipe, or NAME@PIXELS for another size of its images."""
    recipe_name, _, pixels = name.partition("@")
    if recipe_name not in RECIPES or not (pixels or "1").isdecimal():
        raise SystemExit(f"{name}: expected NAME or NAME@PIXELS, with one of {', '.join(RECIPES)}")
    recipe = RECIPES[recipe_name]
    image_size = int(pixels or recipe.image_size)
    return Task(recipe_name, image_size, batch_size or recipe.batch_size, device, sample_seconds)


def random_dataset() -> Dataset:
    """Random images and labels, as many as in Fashion-MNIST. The time of a step does not depend on their values."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60_000, 28, 28, 1), np.uint8), rng.integers(0, 10, 60_000, np.uint8)
    return Dataset(images, labels, images[:1], labels[:1], FASHION_MNIST_CLASSES)


def jaxcnn_samples(task: Task, contestant: str) -> Iterator[float]:
    """Yield samples of the seconds of a step of this package. Start and compilation precede the first."""
    import jax
    import optax

    from jaxcnn import training
    from jaxcnn.training.compilation import compiled

    recipe = RECIPES[task.recipe]
    dtype = "bfloat16" if contestant.endswith("bfloat16") else "float32"
    dataset = random_dataset()
    shape = (task.image_size, task.image_size, 1)
    with jax.default_device(jax.devices(task.device)[0]):
        state = training.create_train_state(
            recipe.model.clone(dtype=dtype), optax.adam(recipe.learning_rate), jax.random.key(0), shape
        )
        if contestant.endswith("step by step"):
            yield from _step_by_step(task, state, dataset, compiled())
        if contestant == PLAIN_JAX:
            from jaxcnn.ops.platforms import fixed_form

            with fixed_form("default"):
                yield from _step_by_step(task, state, dataset, jax.jit)
        events = training.fit_in_chunks(
            state,
            dataset,
            num_epochs=10**6,
            batch_size=task.batch_size,
            image_size=task.image_size,
            chunk_seconds=task.sample_seconds,
        )
        full_batches = len(dataset.train_images) // task.batch_size
        for event in events:
            # The first step of each epoch is a separate chunk, which determines the length of the others.
            if isinstance(event, training.ChunkResult) and 1 < event.steps_done <= full_batches:
                yield task.batch_size / event.images_per_second


def _step_by_step(task: Task, state: Any, dataset: Any, compiled: Any) -> Iterator[float]:
    """Yield samples of the same step, compiled by `compiled` and called from a loop in Python."""
    import jax

    from jaxcnn import training
    from jaxcnn.data.pipeline import epoch_order, prepare_images

    images, labels = jax.numpy.asarray(dataset.train_images), jax.numpy.asarray(dataset.train_labels)

    @compiled
    def step(state: Any, images: Any, labels: Any, order: Any, number: Any) -> Any:
        rows = jax.lax.dynamic_slice_in_dim(order, number * task.batch_size, task.batch_size)
        return training.train_step(state, prepare_images(images[rows], task.image_size), labels[rows])

    steps = len(images) // task.batch_size
    order = epoch_order(jax.random.key(0), len(images))
    numbers = itertools.cycle(range(steps))

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, _ = step(state, images, labels, order, next(numbers))
        jax.block_until_ready(state)

    yield from _timed(run, task.sample_seconds)


def pytorch_samples(task: Task, contestant: str) -> Iterator[float]:
    """Yield samples of the seconds of a step of PyTorch. Start and compilation precede the first."""
    import torch
    import torch_networks
    from torch.nn import functional as F  # noqa: N812 -- as everywhere

    recipe = RECIPES[task.recipe]
    device = torch.device("cuda" if task.device == "gpu" else "cpu")
    channels_last = "channels_last" in contestant or "tuned" in contestant
    tuned = "tuned" in contestant
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    if "as the book" not in contestant:
        torch.set_float32_matmul_precision("high")  # TensorFloat-32 on GPUs, as JAX
    network = torch_networks.build(task.recipe, task.image_size).to(device)
    network = network.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue] -- PyTorch's types lack it
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused="as the book" not in contestant)
    dataset = random_dataset()
    images = torch.tensor(dataset.train_images).permute(0, 3, 1, 2).to(device)
    labels = torch.tensor(dataset.train_labels).long().to(device)
    total_loss, correct = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)

    def prepare(images: torch.Tensor) -> torch.Tensor:
        x = images.float() / 255
        if x.shape[-1] != task.image_size:
            x = F.interpolate(x, size=(task.image_size, task.image_size), mode="bilinear", antialias=False)
        return x.contiguous(memory_format=memory_format)

    def forward_and_backward(x: torch.Tensor, y: torch.Tensor) -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=tuned):
            logits = network(x)
        loss = F.cross_entropy(logits.float(), y)
        loss.backward()
        with torch.no_grad():
            total_loss.add_(loss.detach())
            correct.add_((logits.argmax(1) == y).sum())

    if "compiled" in contestant or tuned:
        network = torch.compile(network, mode="max-autotune" if tuned else "default")

    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        forward_and_backward(prepare(x), y)
        optimizer.step()

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            order = torch.randperm(len(images), device=device)
            for rows in order.split(task.batch_size)[: len(images) // task.batch_size]:
                yield images[rows], labels[rows]

    def book_batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        examples = torch.utils.data.TensorDataset(images.cpu(), labels.cpu())
        loader = torch.utils.data.DataLoader(examples, task.batch_size, shuffle=True, num_workers=4, drop_last=True)
        while True:
            for x, y in loader:
                yield x.to(device), y.to(device)

    feed = book_batches() if "as the book" in contestant else batches()

    def run(count: int) -> None:
        for _ in range(count):
            step(*next(feed))
            if "as the book" in contestant:
                total_loss.item()
        if device.type == "cuda":
            torch.cuda.synchronize()

    yield from _timed(run, task.sample_seconds)


def keras_samples(task: Task) -> Iterator[float]:
    """Yield samples of the seconds of a step of Keras. Start and compilation precede the first."""
    import jax
    import keras_networks

    dataset = random_dataset()
    with jax.default_device(jax.devices(task.device)[0]):
        network = keras_networks.build(task.recipe, task.image_size)

        def run(count: int) -> None:
            rows = np.resize(np.arange(len(dataset.train_images)), count * task.batch_size)
            network.fit(dataset.train_images[rows], dataset.train_labels[rows], batch_size=task.batch_size, verbose=0)

        yield from _timed(run, task.sample_seconds)


def _timed(run: Any, sample_seconds: float) -> Iterator[float]:
    """Yield the seconds of a step, in samples of about `sample_seconds`, after two steps that are not timed."""
    run(2)
    count = 1
    while True:
        began = time.perf_counter()
        run(count)
        seconds = (time.perf_counter() - began) / count
        yield seconds
        count = max(1, round(sample_seconds / seconds))


def work(task: Task, contestant: str, pipe: Connection) -> None:
    """Run a contestant in its process: send one sample for each request, and at the end the peak memory."""
    configure_malloc()
    began = time.perf_counter()
    if contestant == KERAS:
        take = keras_samples(task)
    else:
        take = (jaxcnn_samples if contestant in IN_JAX else pytorch_samples)(task, contestant)
    next(take)
    pipe.send(time.perf_counter() - began)
    while pipe.recv():
        pipe.send(next(take))
    pipe.send(peak_bytes(task, contestant))


def peak_bytes(task: Task, contestant: str) -> int:
    """The peak memory of this process: on the GPU, or resident on a CPU."""
    if task.device == "cpu":
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if contestant in IN_JAX:
        import jax

        return jax.devices("gpu")[0].memory_stats()["peak_bytes_in_use"]
    import torch

    return torch.cuda.max_memory_allocated()


def compare(
    task: Task, contestants: list[str], repeats: int, together: bool, before: Path | None
) -> dict[str, dict[str, Any]]:
    """Take samples of every contestant, in alternation. The contestants start `together` or one after another."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    results: dict[str, dict[str, Any]] = {}
    for contestant in contestants:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(task, contestant, theirs))
        # a new process has this one's import path
        with patch.object(sys, "path", [str(before), *sys.path] if contestant == BEFORE else sys.path):
            process.start()
        theirs.close()
        pipes[contestant] = ours
        processes.append(process)
        if not together:
            results[contestant] = {"start_seconds": ours.recv(), "step_seconds": []}
    if together:
        results = {contestant: {"start_seconds": pipe.recv(), "step_seconds": []} for contestant, pipe in pipes.items()}
    for _ in range(repeats):
        for contestant in contestants:
            pipes[contestant].send(True)
            results[contestant]["step_seconds"].append(pipes[contestant].recv())
    for contestant, process in zip(contestants, processes, strict=True):
        pipes[contestant].send(False)
        results[contestant]["peak_bytes"] = pipes[contestant].recv()
        process.join()
    for result in results.values():
        result["step_milliseconds"] = 1000 * statistics.median(result["step_seconds"])
        result["images_per_second"] = 1000 * task.batch_size / result["step_milliseconds"]
    return results


def product_rate(device: str) -> float:
    """The FLOP/s of a product of 4096x4096 float32 matrices in the package's precision: the best of five."""
    import jax

    with jax.default_device(jax.devices(device)[0]):
        a = jax.random.normal(jax.random.key(0), (4096, 4096))
        multiply = jax.jit(jax.numpy.matmul)
        multiply(a, a).block_until_ready()
        times = []
        for _ in range(5):
            began = time.perf_counter()
            multiply(a, a).block_until_ready()
            times.append(time.perf_counter() - began)
    return 2 * 4096**3 / min(times)


def step_flop(task: Task) -> float:
    """The floating-point operations of a step, estimated as three times those of the forward pass."""
    import jax

    recipe = RECIPES[task.recipe]
    images = jax.ShapeDtypeStruct((task.batch_size, task.image_size, task.image_size, 1), "float32")
    variables = jax.eval_shape(lambda x: recipe.model.init(jax.random.key(0), x, train=False), images)
    forward = jax.jit(lambda variables, x: recipe.model.apply(variables, x, train=False))
    with jax.default_device(jax.devices("cpu")[0]):  # on GPUs, XLA gives no costs before compilation
        costs = forward.lower(variables, images).cost_analysis()
    assert costs is not None, "XLA gives no cost analysis on this platform"
    return 3 * costs["flops"]


def show(comparisons: dict[str, dict[str, Any]], contestants: list[str], flop_rate: float) -> None:
    """Print the table."""
    table = Table(title="Milliseconds a step, medians")
    for heading in ("", "batch", *contestants, "ours / best PyTorch", "loop / step by step", "share of the floor"):
        table.add_column(heading, justify="right" if heading else "left")
    for task, comparison in comparisons.items():
        of = comparison["results"]
        steps = [f"{of[name]['step_milliseconds']:.1f}" if name in of else "-" for name in contestants]
        ratios = [comparison["ratio"], comparison["loop_ratio"], floor_share(comparison, flop_rate)]
        cells = ["-" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        table.add_row(task, str(comparison["batch_size"]), *steps, *cells)
    Console(width=200).print(table)


def as_markdown(results: dict[str, Any], profiles: dict[str, Any]) -> str:
    """The README's table of `results` and of the `profiles` of `profile_step.py`, the contents of the JSON files."""
    found = results["comparisons"]
    comparisons = [(name, found[name]) for recipe in RECIPES for name in found if name.partition("@")[0] == recipe]
    took_part = {contestant for _, comparison in comparisons for contestant in comparison["results"]}
    peers = [name for name in ON_GPU if name in took_part and name not in IN_JAX]
    columns = ["jaxcnn", *(other for other in (BEFORE, PLAIN_JAX, KERAS) if other in took_part), *peers]
    ratios = ["jaxcnn / best", *(["before / best"] if BEFORE in took_part else [])]
    lines = [
        f"| ms a step | pixels | batch | {' | '.join((*columns, *ratios))} | products | memory, GB |",
        f"|---|{'---|' * (len(columns) + len(ratios) + 4)}",
    ]
    for name, comparison in comparisons:
        of = comparison["results"]
        best = min((peer for peer in peers if peer in of), key=lambda peer: of[peer]["step_milliseconds"])
        cells = [
            name.partition("@")[0],
            str(comparison["image_size"]),
            str(comparison["batch_size"]),
            *(_rounded(of[column]["step_milliseconds"]) if column in of else "-" for column in columns),
            f"{comparison['ratio']:.2f}",
            *([_ratio(of, BEFORE, best)] if BEFORE in took_part else []),
            f"{share_of_products(profiles['recipes'][name]):.0%}",
            " / ".join(f"{of[contestant]['peak_bytes'] / 1e9:.1f}" for contestant in ("jaxcnn", best)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    counts = sorted({len(comparison["results"]["jaxcnn"]["step_seconds"]) for _, comparison in comparisons})
    samples = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    versions = results["versions"]
    others = [f"{name} {versions[package]}" for package, name in PEERS.items() if package in versions]
    lines += [
        "",
        f"Medians of {samples} samples on {results['cpu_cores']} cores ({results['device']}), jax {versions['jax']}, "
        f"{', '.join(others)}. Geometric mean of the ratios: {results['geometric_mean_ratio']:.2f}.",
    ]
    return "\n".join(lines) + "\n"


def share_of_products(profile: dict[str, Any]) -> float:
    """The share of convolutions and matrix products in a step."""
    kinds = profile["kinds"]
    return sum(kinds.get(kind, 0.0) for kind in ("convolution", "matrix product")) / sum(kinds.values())


def _ratio(results: dict[str, Any], ours: str, theirs: str) -> str:
    return (
        f"{results[ours]['step_milliseconds'] / results[theirs]['step_milliseconds']:.2f}" if ours in results else "-"
    )


def _rounded(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 100 else f"{milliseconds:.0f}"


def floor_share(comparison: dict[str, Any], flop_rate: float) -> float:
    """The time of a step of this package at `flop_rate`, divided by its measured time."""
    return comparison["step_flop"] / flop_rate / (comparison["results"]["jaxcnn"]["step_milliseconds"] / 1000)


def summarize(task: Task, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A comparison as it is in the JSON file. A ratio is None if one of its contestants did not run.

    `ratio` compares the contestants in float32 (TensorFloat-32 on GPUs), and `bfloat16_ratio` the others.
    """
    milliseconds = {contestant: result["step_milliseconds"] for contestant, result in results.items()}
    ours = milliseconds["jaxcnn"]
    theirs = [value for contestant, value in milliseconds.items() if contestant not in (*IN_JAX, *BFLOAT16)]
    return {
        "image_size": task.image_size,
        "batch_size": task.batch_size,
        "ratio": quotient(ours, min(theirs, default=None)),
        "bfloat16_ratio": quotient(*(milliseconds.get(contestant) for contestant in BFLOAT16)),
        "loop_ratio": quotient(ours, milliseconds.get("jaxcnn, step by step")),
        "step_flop": step_flop(task),
        "results": results,
    }


def quotient(ours: float | None, theirs: float | None) -> float | None:
    """`ours` / `theirs`, or None if one of them is None."""
    return None if ours is None or theirs is None else ours / theirs


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (*RECIPES, "resnet@96", "densenet@96"),
    /,
    device: str = "cpu",
    repeats: int = 7,
    sample_seconds: float = 2.0,
    batch_size: int | None = None,
    contestants: tuple[str, ...] | None = None,
    start_together: bool = False,
    before: Path | None = None,
    output: Path | None = None,
) -> None:
    """Time training steps of this package and of PyTorch.

    Args:
        names: names of recipes, or NAME@PIXELS; by default all, and ResNet and DenseNet at 96 pixels too.
        device: 'cpu' or 'gpu'.
        repeats: number of samples of each contestant.
        sample_seconds: approximate duration of a sample, which has one step or more.
        batch_size: examples in a step; the recipe's by default.
        contestants: contestants in addition to 'jaxcnn'; all for the device by default.
        start_together: start the contestants at the same time. Their start times are not comparable then.
        before: directory of another version of this package, which takes part as 'jaxcnn, before'.
        output: JSON file for the results, updated after each recipe. It keeps the results of other recipes. None by
            default.
    """
    from jaxcnn.platform import describe_devices, find_devices, software_versions

    everyone = ON_GPU if device == "gpu" else ON_CPU
    if unknown := set(contestants or ()) - set(everyone):
        raise SystemExit(
            f"--contestants {', '.join(sorted(unknown))}: expected some of {', '.join(map(repr, everyone))} on {device}"
        )
    # Processes keep the memory that they free, so all of them must fit in memory at the same time.
    others = [name for name in contestants or everyone if name != "jaxcnn"]
    chosen = ["jaxcnn", *([] if before is None else [BEFORE]), *others]
    kept = json.loads(output.read_text()) if output is not None and output.exists() else {}
    comparisons: dict[str, dict[str, Any]] = kept.get("comparisons", {})
    flop_rate = max(product_rate(device), kept.get("matrix_product_flops_per_second", 0.0))
    for name in names:
        task = task_of(name, batch_size, device, sample_seconds)
        able = [contestant for contestant in chosen if contestant != KERAS or name != "lenet_bn_scratch"]
        comparisons[name] = summarize(task, compare(task, able, repeats, start_together, before))
        show({name: comparisons[name]}, chosen, flop_rate)
        if output is not None:
            ratios = [ratio for comparison in comparisons.values() if (ratio := comparison["ratio"])]
            results = {
                "comparisons": comparisons,
                "geometric_mean_ratio": statistics.geometric_mean(ratios) if ratios else None,
                "matrix_product_flops_per_second": flop_rate,
                "device": describe_devices(find_devices(device, 1)),
                "cpu_cores": os.cpu_count(),
                "versions": software_versions()
                | {package: metadata.version(package) for package in PEERS if find_spec(package)},
            }
            write_file(output, json.dumps(results, indent=2) + "\n")
    show({name: comparisons[name] for name in names}, chosen, flop_rate)


if __name__ == "__main__":
    tyro.cli(main)
