"""Import of matplotlib that works with any value of $MPLBACKEND.

`import matplotlib` raises an error if this backend is not installed. A notebook sets its backend for all commands that
it starts, which may run in another environment.
"""

import contextlib
import os
import sys
from types import ModuleType

if "matplotlib" not in sys.modules:
    _backend = os.environ.pop("MPLBACKEND", "")
    import matplotlib

    if _backend:
        os.environ["MPLBACKEND"] = _backend
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = _backend


def default_pyplot() -> ModuleType:
    """`matplotlib.pyplot` with matplotlib's default settings, except for the backend."""
    from matplotlib import pyplot

    pyplot.rcdefaults()
    return pyplot
