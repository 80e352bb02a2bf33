import jax
import pytest

from jaxcnn import __version__, cli, platform
from jaxcnn.cli import doctor

pytestmark = pytest.mark.usefixtures("restore_log_levels", "sample_as_fashion_mnist")


@pytest.fixture
def facts(monkeypatch, capsys):
    """Return a function that runs the command and returns its exit code, the rows of its output, and stderr."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(doctor, "_BATCH_SIZE", 20)

    def run():
        code = cli.main(["doctor"])
        out, err = capsys.readouterr()
        assert max(map(len, out.splitlines())) <= 80
        rows, name = {}, ""
        for line in out.splitlines():
            name = line[:8].strip() or name
            rows[name] = f"{rows.get(name, '')} {line[9:].strip()}".strip()
        return code, rows, err

    return run


def test_doctor_prints_what_a_bug_report_needs(facts, monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    code, rows, err = facts()
    assert (code, err) == (0, "")
    assert list(rows) == ["versions", "settings", "cache", "devices", "memory", "step", "data"]
    assert f"jaxcnn {__version__}, Python 3." in rows["versions"]
    assert f"jax {jax.__version__}, " in rows["versions"]
    assert "XLA_PYTHON_CLIENT_PREALLOCATE=false" in rows["settings"]
    assert rows["devices"] == platform.describe_devices(jax.devices())
    assert "LeNet, 20 images: compiled in " in rows["step"]
    assert float(rows["step"].rpartition(" ")[2]) < 1e-4
    assert rows["data"].endswith("fashion_mnist_sample")


def test_doctor_names_an_accelerator_that_is_not_used(facts, monkeypatch):
    monkeypatch.setattr(platform, "find_accelerators", lambda: ["NVIDIA GPU"])
    _, rows, _ = facts()
    assert "JAX does not use the NVIDIA GPU of this machine" in rows["devices"]


def test_doctor_refuses_a_wrong_step(facts, monkeypatch, record_fault):
    step = doctor.train_step

    def wrong(state, images, labels):
        after, metrics = step(state, images, labels)
        return (after if jax.config.jax_disable_jit else state), metrics

    monkeypatch.setattr(doctor, "train_step", wrong)
    code, rows, err = facts()
    assert code == 2
    assert "step" not in rows
    assert "changes the parameters wrongly, relative error 1.0e+00" in err
    record_fault("`jaxcnn doctor` with an XLA that computes wrongly", "one line, exit code 2", err)


def test_doctor_ends_with_a_wrong_data_directory(facts, monkeypatch, tmp_path, record_fault):
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(tmp_path / "nowhere"))
    code, rows, err = facts()
    assert (code, list(rows)[-1], err.count("\n")) == (2, "step", 1)
    record_fault("`jaxcnn doctor` with a missing `$JAXCNN_DATA_DIR`", "all other facts, one line, exit code 2", err)


def test_doctor_says_that_data_will_be_fetched(facts, monkeypatch):
    monkeypatch.setattr(doctor, "find_fashion_mnist", lambda: None)
    _, rows, _ = facts()
    assert rows["data"] == "Fashion-MNIST is not on this machine; it is fetched when needed"
