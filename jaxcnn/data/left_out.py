"""Counting and logging what is left out of a data set."""

import logging
from collections import Counter
from pathlib import Path

from jaxcnn.errors import list_names

_LOGGER = logging.getLogger(__name__)


class LeftOut(Counter[tuple[str, str]]):
    """Numbers of files, folders or examples that are left out, by reason and by suffix or name.

    Examples:
        >>> left_out = LeftOut({("not read by Pillow", ".heic"): 24, ("hidden", ".png"): 3})
        >>> left_out["not read by Pillow", ".txt"] += 2
        >>> str(left_out)
        '24 .heic, 2 .txt (not read by Pillow); 3 .png (hidden)'
    """

    def __str__(self) -> str:
        kinds: dict[str, list[str]] = {}
        for (reason, kind), count in sorted(self.items(), key=lambda item: (-item[1], item[0])):
            kinds.setdefault(reason, []).append(f"{count:,} {kind}")
        return "; ".join(f"{list_names(counted)} ({reason})" for reason, counted in kinds.items())

    def log(self, place: Path) -> None:
        """Log one line about `place`, if anything is left out."""
        if self:
            _LOGGER.info("%s: left out %s", place, self)
