"""A run on several hosts: processes that JAX has joined, each with devices of its own."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax

from jaxcnn.errors import InputError, LostHostError

HEARTBEAT_SECONDS = 50
"""After so many seconds without a sign of life JAX takes a process for gone, and ends the others itself."""

_STATUS = re.compile("(UNKNOWN|INTERNAL|UNAVAILABLE|ABORTED|CANCELLED|DEADLINE_EXCEEDED): ")  # XLA's, as a ValueError


def join_hosts() -> None:
    """Join this process with the others of the job, before JAX computes anything.

    SLURM, Open MPI and Kubernetes tell JAX which there are. Elsewhere JAX_COORDINATOR_ADDRESS tells host and port of
    the first, JAX_NUM_PROCESSES how many there are, and JAX_PROCESS_ID, from 0, which this one is.

    Raises:
        InputError: if they tell nothing, or the others cannot be reached.
    """
    told = {}
    for argument, name in (("num_processes", "JAX_NUM_PROCESSES"), ("process_id", "JAX_PROCESS_ID")):
        if name in os.environ:
            if not os.environ[name].isdigit():
                raise InputError(f"{name} is {os.environ[name]!r}: a whole number from 0 on is needed")
            told[argument] = int(os.environ[name])
    try:
        jax.distributed.initialize(**told, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"no other processes are found ({reason}): start it by SLURM, Open MPI or Kubernetes, or set "
            "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID for each"
        ) from error


def is_first_host() -> bool:
    """Whether this process is the one that writes and shows."""
    return jax.process_index() == 0


@contextmanager
def seeing_lost_hosts(opened: ExitStack) -> Iterator[None]:
    """A `LostHostError` where another host is gone, which nothing in `opened` is to wait for as it closes."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if jax.process_count() == 1 or not (isinstance(error, jax.errors.JaxRuntimeError) or _STATUS.match(str(error))):
            raise
        opened.pop_all()
        reason = str(error).splitlines()[0]
        raise LostHostError(
            f"another host is gone or out of reach ({reason}): the run ends; start the same command again, on as many "
            "hosts as there are, and it goes on from the last checkpoint"
        ) from error


def leave_hosts(code: int) -> None:
    """End this process with `code` at once if it has joined others: JAX would wait until they end as well."""
    if jax.distributed.is_initialized():
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
