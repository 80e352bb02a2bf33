import subprocess
import sys


def test_importing_the_library_does_not_import_what_is_used_in_places():
    """TFDS, Grain, Pillow, Orbax, matplotlib and the command line's library are imported only where they are used."""
    code = """
import sys
import jaxcnn
slow = ("tensorflow", "tensorflow_datasets", "grain", "PIL", "orbax", "matplotlib", "tyro")
print(*(name for name in slow if name in sys.modules))
"""
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert imported == []
