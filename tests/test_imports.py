import subprocess
import sys


def test_import_does_not_load_slow_libraries():
    """TFDS, Grain, Pillow, Orbax, matplotlib and tyro are imported when they are first used."""
    code = """
import sys
import jaxcnn
slow = ("tensorflow", "tensorflow_datasets", "grain", "PIL", "orbax", "matplotlib", "tyro")
print(*(name for name in slow if name in sys.modules))
"""
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert imported == []
