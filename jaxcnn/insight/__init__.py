"""Explanations of predictions.

These are pure functions of a state and images:

    grad_cam         the regions of an image that raise the logit of a class
    feature_maps     the layers that Grad-CAM can use
    input_gradients  the gradient of the logit of a class with respect to the image
"""

from jaxcnn.insight.grad_cam import feature_maps, grad_cam
from jaxcnn.insight.input_gradients import input_gradients

__all__ = ["feature_maps", "grad_cam", "input_gradients"]
