"""Fixtures and strict settings for all tests."""

import logging
import os
from dataclasses import replace
from pathlib import Path

# Tests use neither the user's compilation cache nor each other's compiled programs.
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")

import faults
import jax
import jaxtyping
import pytest
import xla_flags  # noqa: F401 -- sets them
from hypothesis import settings

from jaxcnn import cli, data, runs
from jaxcnn.cli import training
from jaxcnn.data import loading
from jaxcnn.data.fashion_mnist import spec, tfds_format
from jaxcnn.data.idx import idx_sha256
from jaxcnn.recipes import RECIPES, get_recipe

jax.config.update("jax_numpy_rank_promotion", "raise")

# Tests of several devices use eight CPU devices.
jax.config.update("jax_num_cpu_devices", 8)

# Every new shape is compiled, which is slow: no deadline, and fewer examples than the default of 100.
settings.register_profile("compiled", deadline=None, max_examples=25, print_blob=True)
settings.load_profile("compiled")

SAMPLE = Path(__file__).parent / "data" / "fashion_mnist_sample"


MAX_MEMORY_MAPS = 30_000
"""Each compiled program maps memory. Linux allows 65,530 mappings for a process, and XLA aborts above it."""


@pytest.fixture(autouse=True, scope="module")
def bounded_memory_maps():
    """Release compiled programs if there are too many of them."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > MAX_MEMORY_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def sample() -> data.Dataset:
    """The first 512 training and 256 test images of Fashion-MNIST, unchanged."""
    return data.Dataset(
        data.read_idx(SAMPLE / "train-images-idx3-ubyte.gz")[..., None],
        data.read_idx(SAMPLE / "train-labels-idx1-ubyte.gz"),
        data.read_idx(SAMPLE / "t10k-images-idx3-ubyte.gz")[..., None],
        data.read_idx(SAMPLE / "t10k-labels-idx1-ubyte.gz"),
        data.FASHION_MNIST_CLASSES,
    )


@pytest.fixture(scope="session")
def prepared_once(sample, tmp_path_factory) -> Path:
    """The sample prepared by TFDS, in fashion_mnist/3.0.1. Tests must not change it."""
    to = tmp_path_factory.mktemp("tfds")
    arrays = {
        f"{split}_{name}": array.squeeze()
        for split in ("train", "test")
        for name, array in zip(("images", "labels"), sample.split(split), strict=True)
    }
    tfds_format.prepare_tfds(to, lambda: arrays)
    return to


@pytest.fixture(scope="session")
def sample_files() -> dict[str, spec.IdxFile]:
    """The names, shapes and checksums of the sample's files."""
    arrays = {name: data.read_idx(SAMPLE / f"{file.name}.gz") for name, file in spec.FILES.items()}
    return {name: spec.IdxFile(spec.FILES[name].name, array.shape, idx_sha256(array)) for name, array in arrays.items()}


@pytest.fixture
def sample_as_fashion_mnist(sample_files, monkeypatch, tmp_path):
    """Replace Fashion-MNIST by the sample, also for its verification, and use an empty home directory."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    for name, file in sample_files.items():
        monkeypatch.setitem(spec.FILES, name, file)
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(SAMPLE))


@pytest.fixture(scope="session")
def finished_run(sample, tmp_path_factory):
    """The directory of a run of LeNet with batch norm on the sample. Tests must not change it."""
    workdir = tmp_path_factory.mktemp("finished") / "run"
    recipe = replace(RECIPES["lenet_bn"], num_epochs=2, batch_size=64)
    runs.train(runs.RunConfig(recipe), sample, workdir)
    return workdir


@pytest.fixture
def results_of():
    """Return a function that makes results of runs whose metrics are the book's, except for given changes."""

    def make(name, *, last=({}, {}, {}), epochs=5, limit=None, **settings):
        """Make results with one run for each entry of `last`, a mapping of changed metrics of the last epoch."""
        runs = []
        for seed, changes in enumerate(last):
            metrics = [
                {
                    "epoch": number, "train_loss": epoch.loss, "train_accuracy": epoch.train_accuracy, "test_loss": 0.5,
                    "test_accuracy": epoch.test_accuracy, "seconds": 1.0, "images_per_second": 1.0,
                    "compile_seconds": 0.0,
                }
                for number, epoch in enumerate(get_recipe(name).reference[:epochs], start=1)
            ]  # fmt: skip
            metrics[-1] |= changes
            status = "finished" if epochs == 5 else "unfinished"
            run = {**get_recipe(name).settings(), "seed": seed, "limit": limit, "status": status, "epochs": metrics}
            runs.append(run | settings)
        return {"runs": runs}

    return make


@pytest.fixture(scope="module")
def with_nans():
    """Allow NaN in tests that compute it, also under JAX_DEBUG_NANS."""
    with jax.debug_nans(False):
        yield


@pytest.fixture
def standard_promotion():
    """Promote types, also under JAX_NUMPY_DTYPE_PROMOTION=strict, in tests of Flax and optax, which mix types."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def without_type_checks(monkeypatch):
    """Disable jaxtyping's checks, which raise before the checks of a function."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def restore_log_levels():
    """Restore the log levels that the command line sets, because other tests share the process."""
    levels = {name: logging.getLogger(name).level for name in ("jaxcnn", "absl", "PIL")}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def sample_requests(sample, monkeypatch):
    """Let the command line load the sample as Fashion-MNIST. Return the list of the requested sources."""
    requests = []

    def load(source=None):
        requests.append(source)
        return sample

    monkeypatch.setattr(training, "load_fashion_mnist", load)
    monkeypatch.setattr(loading, "load_fashion_mnist", load)
    return requests


def pytest_addoption(parser):
    parser.addoption("--write-faults", action="store_true", help="update docs/reference/faults.md")


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # the main process, which gets the reports of all tests
        config.pluginmanager.register(FaultsSeen(config))


class FaultsSeen:
    """Collects the rows of all tests. It writes them on request, and fails a whole run for rows without a test."""

    def __init__(self, config):
        self.write = config.getoption("write_faults")
        chosen = config.option.keyword or config.option.markexpr or getattr(config.option, "lf", False)
        self.whole = config.args_source is config.ArgsSource.TESTPATHS and not chosen
        self.seen = set()
        self.of_no_test = []

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self.seen |= {faults.Fault(*cells) for name, cells in report.user_properties if name == "fault"}

    def pytest_sessionfinish(self, session, exitstatus):
        if self.write:
            faults.write_rows(self.seen)
        if self.whole and exitstatus == pytest.ExitCode.OK:
            self.of_no_test = sorted(faults.read_rows() - {(fault.topic, fault.row) for fault in self.seen})
            if self.of_no_test:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        for topic, row in self.of_no_test:
            terminalreporter.write_line(f"docs/reference/faults.md has a row without a test: {topic}: {row}", red=True)


@pytest.fixture
def record_fault(request, tmp_path, record_property):
    """Return a function that records a fault, and checks that it is a row of docs/reference/faults.md."""

    def record(what, result, message=""):
        folder = request.path.relative_to(Path(__file__).parent).parts[0]
        message = " ".join(message.replace(str(tmp_path), "DIR").split())
        fault = faults.Fault(faults.TOPICS[folder], what, result, message)
        record_property("fault", list(fault))
        if not request.config.getoption("write_faults"):
            assert (fault.topic, fault.row) in faults.read_rows(), "run pytest --write-faults"

    return record


@pytest.fixture
def assert_refused(tmp_path, monkeypatch, capsys, restore_log_levels, record_fault):
    """Return a function that runs an invalid command and returns its error message.

    The command must print one line, exit with code 2, and write nothing. The page has the line, or `message` if it
    varies, or what is `described` if its words are another library's.
    """

    def contents():
        return {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}

    def run(arguments, what=None, message=None, *, described=None):
        monkeypatch.chdir(tmp_path)
        before = contents()
        assert cli.main(arguments) == 2
        out, err = capsys.readouterr()
        assert contents() == before
        assert out == ""
        assert err.startswith("jaxcnn: ")
        assert err.count("\n") == 1
        what = what or f"`jaxcnn {' '.join(arguments)}`"
        if described is None:
            record_fault(what, faults.REFUSED, message or err)
        else:
            record_fault(what, f"{described}, exit code 2, nothing written")
        return err

    return run
