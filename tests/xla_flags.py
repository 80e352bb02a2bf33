"""Flags for XLA that make compilation faster. Tests compile more than they compute.

XLA's older code for fusions compiles faster than its fusion emitters, but with it rounding depends on the program that
a step is part of. So the programs of training, which must equal each other bit for bit, are compiled with emitters.
"""

import os
from importlib.metadata import version

# Later versions do not know this flag, and abort.
_HAS_EMITTERS_FLAG = version("jaxlib").startswith("0.10.")

FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if _HAS_EMITTERS_FLAG:
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", FLAGS)  # XLA reads it when it computes first

from jaxcnn.training import compilation  # noqa: E402 -- it imports JAX

if _HAS_EMITTERS_FLAG:
    compilation.OPTIONS["xla_cpu_use_fusion_emitters"] = True
