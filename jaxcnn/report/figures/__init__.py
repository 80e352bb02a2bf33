"""The figures of a report, as SVG files, and that of a range test."""

from jaxcnn.report.figures.comparison import ComparedRuns, draw_comparison
from jaxcnn.report.figures.curves import draw_curves
from jaxcnn.report.figures.parameters import draw_kernels, draw_norm
from jaxcnn.report.figures.pictures import COLOR, draw_feature_maps, draw_pictures
from jaxcnn.report.figures.predictions import draw_confusion, draw_reliability
from jaxcnn.report.figures.range_test import draw_range_test

__all__ = [
    "COLOR",
    "ComparedRuns",
    "draw_comparison",
    "draw_confusion",
    "draw_curves",
    "draw_feature_maps",
    "draw_kernels",
    "draw_norm",
    "draw_pictures",
    "draw_range_test",
    "draw_reliability",
]
