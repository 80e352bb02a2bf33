"""Explanations of predictions: pure functions of a state and images.

grad_cam         the regions of an image that raise the logit of a class
input_gradients  the derivative of the logit of a class by each pixel
"""

from jaxcnn.insight.grad_cam import grad_cam
from jaxcnn.insight.input_gradients import input_gradients

__all__ = ["grad_cam", "input_gradients"]
