"""Trained weights that a run starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxcnn.errors import InputError
from jaxcnn.runs.directory import params_sha256
from jaxcnn.training import transfer_variables
from jaxcnn.training.state import Variables


@dataclass(frozen=True)
class InitFrom:
    """Weights that a run starts from.

    Attributes:
        source: the directory of a run, or a file.
        sha256: SHA-256 of the parameters and statistics, from `params_sha256`.
        variables: {'params', 'batch_stats'}; None if read from the settings of a run, which do not contain them.

    Examples:
        >>> from jaxcnn.recipes import get_recipe
        >>> from jaxcnn.runs import RunConfig
        >>> init_from = InitFrom.of("mine", {"params": {}})
        >>> RunConfig(get_recipe("lenet"), init_from=init_from).as_json()["init_from"]["source"]
        'mine'
    """

    source: str
    sha256: str
    variables: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, source: str, variables: Mapping[str, Any]) -> "InitFrom":
        """The weights `variables` from `source`."""
        return cls(source, params_sha256(dict(variables)), variables)

    def transfer(self, initial: Variables, num_classes: int) -> tuple[Variables, tuple[str, ...]]:
        """The weights for a network with the variables `initial`, as `transfer_variables` returns them.

        Raises:
            InputError: if they do not fit, or are not available.
        """
        if self.variables is None:
            raise InputError(f"--init-from {self.source}: the run has no checkpoint yet, so it needs these weights")
        try:
            return transfer_variables(initial, self.variables, num_classes=num_classes)
        except InputError as error:
            raise InputError(f"--init-from {self.source}: {error}") from error

    def describe(self, initial: Variables, num_classes: int) -> str:
        """Describe in one line how a network with the variables `initial` is initialized.

        Raises:
            InputError: as for `transfer`.
        """
        _, head = self.transfer(initial, num_classes)
        words = f"weights from {self.source}"
        if not head:
            return words
        return f"{words}; the head ({', '.join(head)}) is new, for {num_classes} classes"
