"""The networks, one architecture a file.

Each is a Linen module called as `model.apply(variables, x, train=...)` with x (N, H, W, C); it returns logits,
(N, num_classes). Submodules carry explicit names, so that the paths of the parameters do not shift.
"""

from jaxcnn.models.lenet import LeNet

__all__ = ["LeNet"]
