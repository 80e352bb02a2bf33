"""The machine: devices, memory, compiled programs and the processes of a job."""

from jaxcnn.platform.compilation import (
    check_deterministic_ops,
    enable_compilation_cache,
    enable_deterministic_ops,
)
from jaxcnn.platform.devices import (
    Device,
    describe_devices,
    find_accelerators,
    find_devices,
    require_devices,
    set_num_cpu_devices,
)
from jaxcnn.platform.distributed import (
    init_distributed,
    is_primary_process,
    raise_lost_process,
    shutdown_distributed,
)
from jaxcnn.platform.memory import configure_malloc, memory_budget, raise_file_limit, release_memory
from jaxcnn.platform.versions import software_versions

__all__ = [
    "Device",
    "check_deterministic_ops",
    "configure_malloc",
    "describe_devices",
    "enable_compilation_cache",
    "enable_deterministic_ops",
    "find_accelerators",
    "find_devices",
    "init_distributed",
    "is_primary_process",
    "memory_budget",
    "raise_file_limit",
    "raise_lost_process",
    "release_memory",
    "require_devices",
    "set_num_cpu_devices",
    "shutdown_distributed",
    "software_versions",
]
