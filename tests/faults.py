"""The page docs/reference/faults.md: invalid input and interruptions, and the result and the message of each."""

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "faults.md"
REFUSED = "one line, exit code 2, nothing written"
TOPICS = {  # by folder of the tests
    "cli": "Commands",
    "data": "Data and images",
    "runs": "Runs",
    "platform": "Devices and processes",
    "interop": "Export and weights",
    "report": "Reports and reproduction",
    "reproduction": "Reports and reproduction",
}
_HEAD = "| fault | result |\n|---|---|\n"


class Fault(NamedTuple):
    """A row of a table on the page."""

    topic: str
    what: str
    result: str
    message: str = ""

    @property
    def row(self) -> str:
        """The row in Markdown. A result other than `REFUSED` comes before the message."""
        message = f"`{self.message}`" if self.message else ""
        parts = [part for part in (self.result if self.result != REFUSED else "", message) if part]
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in (self.what, ": ".join(parts))) + " |\n"


def read_rows() -> set[tuple[str, str]]:
    """The topic and the text of each row of the page."""
    _, *sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    return {
        (section.partition("\n")[0], row)
        for section in sections
        for row in section.partition(_HEAD)[2].splitlines(keepends=True)
        if row.strip()
    }


def write_rows(faults: set[Fault]) -> None:
    """Write `faults` to the page. They replace rows of the same topic and fault."""
    renewed = {(fault.topic, fault.row.split(" | ")[0]) for fault in faults}
    kept = {(topic, row) for topic, row in read_rows() if (topic, row.split(" | ")[0]) not in renewed}
    rows = sorted(kept | {(fault.topic, fault.row) for fault in faults})
    text, *_ = PAGE.read_text(encoding="utf-8").split("\n## ")
    for topic in dict.fromkeys(TOPICS.values()):
        table = "".join(row for row_topic, row in rows if row_topic == topic)
        text += f"\n## {topic}\n\n{_HEAD}{table}"
    PAGE.write_text(text, encoding="utf-8")
