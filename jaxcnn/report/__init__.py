"""Reports on runs: HTML pages with figures and tables."""

from jaxcnn.report.backend import default_pyplot  # before other modules import matplotlib
from jaxcnn.report.explanations import write_explanations
from jaxcnn.report.figures import draw_range_test
from jaxcnn.report.page import write_report
from jaxcnn.report.reproduction import write_reproduction_report

__all__ = [
    "default_pyplot",
    "draw_range_test",
    "write_explanations",
    "write_report",
    "write_reproduction_report",
]
