"""Standard output and standard error with any encoding, even if nothing reads them."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jaxcnn.writers import drop_output


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Replace characters that the encoding of the terminal lacks, and drop output that nobody reads."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    for stream in streams:
        stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        for stream in streams:
            try:
                stream.flush()
            except BrokenPipeError:  # Python would flush again at the end, and print a traceback
                drop_output(stream.fileno())
