"""Show where the time of a training step goes: by kind of operation, by layer and by operation.

    python experiments/benchmarks/profile_step.py [NAMES ...] [--batch-size N] [--output FILE]

The steps run in a compiled loop, as in training, on one random batch. JAX's profiler records when each operation of
the compiled program starts and ends. Of a convolution, which computes in other threads, it records only the start. So
the time in which nothing else is recorded belongs to the last convolution that started. A share is a share of the sum
over all operations: those that run at the same time count fully. The kind of an operation is that of its most
expensive part: XLA fuses several into one.
"""

import json
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console
from rich.table import Table

from jaxcnn import platform
from jaxcnn.files import write_file
from jaxcnn.recipes import RECIPES, get_recipe
from jaxcnn.training import create_train_state, train_step
from jaxcnn.training.compilation import known_options

KINDS = {
    "convolution": {"convolution"},
    "matrix product": {"dot"},
    "reduction": {"reduce", "reduce-window"},
    "selection": {"select-and-scatter", "scatter", "gather", "sort"},
    "transposition": {"transpose"},
    "padding and slicing": {"pad", "concatenate", "slice", "dynamic-slice", "dynamic-update-slice"},
}
"""The kinds by the HLO instructions that they contain, most expensive first. All others are element by element."""

_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = .*?[\]})] ([a-z][\w-]*)\(")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) .*\{$")
_DISPATCH = {"cond", "branch_0_fun", "cpu_form"}  # scopes of the choice of a form for the platform
_CONTROL = {"while", "call", "conditional", "tuple", "get-tuple-element", "parameter"}


@dataclass(frozen=True)
class Instruction:
    """An instruction of a compiled program: its kind, and the name scope that JAX gave it."""

    kind: str
    scope: str


def read_program(text: str) -> dict[str, Instruction]:
    """The instructions of a compiled program, by name, from its HLO text."""
    opcodes: dict[str, set[str]] = {}  # of each computation
    found: list[tuple[str, str, str]] = []
    computation = ""
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            computation = match[1]
            opcodes[computation] = set()
        elif match := _INSTRUCTION.match(line):
            opcodes[computation].add(match[2])
            found.append((match[1], match[2], line))
    instructions = {}
    for name, opcode, line in found:
        called = re.search(r"calls=%?([\w.-]+)", line)
        contained = {opcode} | (opcodes.get(called[1], set()) if called else set())
        scope = re.search(r'op_name="([^"]*)"', line)
        instructions[name] = Instruction(_kind(opcode, contained, line), scope[1] if scope else "")
    return instructions


def _kind(opcode: str, contained: set[str], line: str) -> str:
    if opcode in _CONTROL:
        return "control"
    if opcode == "custom-call":
        target = re.search(r'custom_call_target="([^"]*)"', line)
        return f"library: {target[1] if target else 'unknown'}"
    for kind, opcodes in KINDS.items():
        if contained & opcodes:
            return kind
    return "copy" if opcode == "copy" else "element by element"


def layer_of(scope: str) -> str:
    """The layer and the pass of a name scope.

    Examples:
        >>> layer_of("jit(f)/while/body/transpose(jvp(VGG))/block1/conv1/conv_general_dilated")
        'block1, backward'
    """
    passes = {"transpose(jvp": "backward", "jvp(": "forward"}
    which = next((words for mark, words in passes.items() if mark in scope), None)
    if which is None:
        return "optimizer and data"
    layer = re.search(r"jvp\([\w]*\)+/(\w+)/", scope)
    return f"{layer[1] if layer else 'loss'}, {which}"


def profile(name: str, batch_size: int | None, steps: int) -> dict[str, Any]:
    """Train for `steps` steps, and return the milliseconds of a step by kind, layer and operation."""
    recipe_name, _, pixels = name.partition("@")
    recipe = get_recipe(recipe_name)
    batch_size = batch_size or recipe.batch_size
    image_size = int(pixels or recipe.image_size)
    shape = (image_size, image_size, 1)
    state = create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), shape)
    images = jax.random.uniform(jax.random.key(1), (batch_size, *shape))
    labels = jnp.arange(batch_size) % 10

    leaves, tree = jax.tree.flatten(state)

    def run(leaves: list[jax.Array]) -> list[jax.Array]:
        state = jax.tree.unflatten(tree, leaves)
        state = jax.lax.fori_loop(0, steps, lambda _, state: train_step(state, images, labels)[0], state)
        return jax.tree.leaves(state)

    program = jax.jit(run, compiler_options=known_options()).lower(leaves).compile()
    instructions = read_program(program.as_text())
    leaves = jax.block_until_ready(program(leaves))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            began = time.perf_counter()
            jax.block_until_ready(program(leaves))
            seconds = time.perf_counter() - began
        (file,) = Path(folder).rglob("*.xplane.pb")
        durations = _durations(file, instructions)
    operations = {op: 1000 * total / steps for op, total in durations.items()}
    kinds, layers = Counter(), Counter()
    for op, milliseconds in operations.items():
        kinds[instructions[op].kind] += milliseconds
        layers[layer_of(instructions[op].scope)] += milliseconds
    longest = sorted(operations, key=lambda op: -operations[op])[:20]
    return {
        "image_size": image_size,
        "batch_size": batch_size,
        "step_milliseconds": 1000 * seconds / steps,
        "operations_milliseconds": sum(operations.values()),
        "kinds": dict(kinds.most_common()),
        "layers": dict(layers.most_common()),
        "longest": [
            {"operation": op, "kind": instructions[op].kind, "scope": instructions[op].scope, "ms": operations[op]}
            for op in longest
        ],
    }


def _durations(file: Path, instructions: dict[str, Instruction]) -> Counter[str]:
    """The seconds of each of the `instructions` in a trace, without those that only control others."""
    events = []
    for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
        for line in plane.lines:
            for event in line.events:
                operation = str(dict(event.stats).get("hlo_op"))
                if operation in instructions and instructions[operation].kind != "control":
                    events.append((event.start_ns, event.start_ns + event.duration_ns, operation))
    return share_out(sorted(events), {name for name, each in instructions.items() if each.kind == "convolution"})


def share_out(events: list[tuple[float, float, str]], convolutions: set[str]) -> Counter[str]:
    """The seconds of each operation.

    Args:
        events: start and end in nanoseconds, and operation, sorted.
        convolutions: the operations to which the time after their events belongs, until another is recorded.

    Examples:
        >>> dict(share_out([(0, 1e9, "conv"), (1e9, 2e9, "add"), (5e9, 6e9, "add")], {"conv"}))
        {'conv': 4.0, 'add': 2.0}
    """
    seconds: Counter[str] = Counter()
    running, last_end = None, 0.0
    for start, end, operation in events:
        if running is not None and start > last_end:
            seconds[running] += (start - last_end) / 1e9
        seconds[operation] += (end - start) / 1e9
        running, last_end = operation if operation in convolutions else running, max(end, last_end)
    return seconds


def show(name: str, result: dict[str, Any], console: Console) -> None:
    """Print the shares of kinds and layers, and the longest operations."""
    console.print(
        f"{name}, batch {result['batch_size']}, {result['image_size']} pixels: {result['step_milliseconds']:.1f} ms a "
        f"step, {result['operations_milliseconds']:.1f} ms of all operations"
    )
    total = result["operations_milliseconds"]
    for title in ("kinds", "layers"):
        table = Table(title, "ms", "share", box=None)
        for what, milliseconds in list(result[title].items())[:12]:
            table.add_row(what, f"{milliseconds:.1f}", f"{milliseconds / total:.0%}")
        console.print(table)
    table = Table("operation", "kind", "ms", "scope", box=None)
    for each in result["longest"]:
        scope = "/".join([part for part in each["scope"].split("/") if part not in _DISPATCH][-4:])
        table.add_row(each["operation"], each["kind"], f"{each['ms']:.1f}", scope)
    console.print(table)


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = tuple(RECIPES),
    batch_size: int | None = None,
    steps: int = 3,
    output: Path | None = None,
) -> None:
    """Profile the training steps of recipes.

    Args:
        names: the recipes, or NAME@PIXELS for another size of the images.
        batch_size: images of a batch; None for that of the recipe.
        steps: number of profiled steps.
        output: the JSON file. Recipes that are not profiled keep their results in it.
    """
    platform.configure_malloc()
    devices = platform.describe_devices(platform.find_devices(None, None))
    results = json.loads(output.read_text()) if output and output.is_file() else {}
    results |= {"devices": devices, "versions": {each: metadata.version(each) for each in ("jax", "jaxlib", "flax")}}
    for name in names:
        result = profile(name, batch_size, steps)
        show(name, result, Console(width=160))
        results.setdefault("recipes", {})[name] = result
        if output:
            write_file(output, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
