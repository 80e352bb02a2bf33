import subprocess
import sys


def test_importing_the_library_does_not_import_what_is_used_in_places():
    """TFDS, Orbax, matplotlib and the command line's library are slow to import and needed only in places."""
    code = """
import sys
import jaxcnn
slow = ("tensorflow", "tensorflow_datasets", "orbax", "matplotlib", "tyro")
print(*(name for name in slow if name in sys.modules))
"""
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert imported == []
