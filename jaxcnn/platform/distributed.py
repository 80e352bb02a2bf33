"""Several processes with their own devices that train one run together."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax

from jaxcnn.errors import InputError, LostProcessError, first_line

HEARTBEAT_SECONDS = 50
"""JAX ends all processes of a job if one of them has sent no heartbeat for this time."""

_STATUS = re.compile("(UNKNOWN|INTERNAL|UNAVAILABLE|ABORTED|CANCELLED|DEADLINE_EXCEEDED): ")  # XLA's, as a ValueError


def init_distributed() -> None:
    """Connect this process with the others of the job; call it before JAX computes anything.

    SLURM, Open MPI and Kubernetes give JAX the addresses. Elsewhere set JAX_COORDINATOR_ADDRESS to host and port of the
    first process, JAX_NUM_PROCESSES to their number, and JAX_PROCESS_ID to the number of this one, from 0.

    Raises:
        InputError: if these are missing, or the others cannot be reached.
    """
    given = {}
    for argument, name in (("num_processes", "JAX_NUM_PROCESSES"), ("process_id", "JAX_PROCESS_ID")):
        if name in os.environ:
            if not os.environ[name].isdigit():
                raise InputError(f"{name}={os.environ[name]}: expected an integer, 0 or more")
            given[argument] = int(os.environ[name])
    try:
        jax.distributed.initialize(**given, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    except (ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise InputError(
            f"--distributed: no other processes found ({reason}); start the job with SLURM, Open MPI or Kubernetes, or "
            "set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID for each process"
        ) from error


def is_primary_process() -> bool:
    """Whether this process writes files and prints."""
    return jax.process_index() == 0


@contextmanager
def raise_lost_process(opened: ExitStack) -> Iterator[None]:
    """Raise `LostProcessError` if another process is gone, without closing `opened`, which would wait for it."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if jax.process_count() == 1 or not (isinstance(error, jax.errors.JaxRuntimeError) or _STATUS.match(str(error))):
            raise
        opened.pop_all()
        reason = first_line(error)
        raise LostProcessError(
            f"another process of the job is gone or cannot be reached ({reason}): the run ends; start the same command "
            "again on all machines to resume from the last checkpoint"
        ) from error


def shutdown_distributed(code: int) -> None:
    """End this process with `code` at once if it is part of a job: JAX would wait for the others to end."""
    if jax.distributed.is_initialized():
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
