"""A run on several hosts: processes that JAX has joined, each with devices of its own."""

import logging
import os
import sys

import jax

from jaxcnn.errors import InputError

HEARTBEAT_SECONDS = 50
"""After so many seconds without a sign of life JAX takes a process for gone, and ends the others itself."""


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


def leave_hosts(code: int) -> None:
    """End this process with `code` at once if it has joined others: JAX would wait until they end as well."""
    if jax.distributed.is_initialized():
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
