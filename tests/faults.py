"""The table of faults in tests/README.md: the fault, the expected behavior, and the observed behavior."""

from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).with_name("README.md")
_HEAD = "| what | expected | seen |\n|---|---|---|\n"


class Fault(NamedTuple):
    """A row of the table."""

    what: str
    expected: str
    seen: str

    def __str__(self) -> str:
        return "".join(f"| {cell.replace('|', '&#124;')} " for cell in self) + "|\n"


def table() -> list[str]:
    """The rows of the file."""
    return _parts()[1]


def write(faults: set[Fault]) -> None:
    """Write `faults` into the file. They replace rows with the same `what`."""
    words, rows = _parts()
    renewed = {str(fault).split(" | ")[0] for fault in faults}
    kept = {row for row in rows if row.split(" | ")[0] not in renewed}
    _FILE.write_text(words + _HEAD + "".join(sorted(kept | set(map(str, faults)))), encoding="utf-8")


def _parts() -> tuple[str, list[str]]:
    words, _, rows = _FILE.read_text(encoding="utf-8").partition(_HEAD)
    return words, rows.splitlines(keepends=True)
