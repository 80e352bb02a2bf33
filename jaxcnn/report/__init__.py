"""What runs came to, as one page to look at: figures drawn, and put together in HTML."""

from jaxcnn.report.page import write_report
from jaxcnn.report.reproduction import write_reproduction_report

__all__ = ["write_report", "write_reproduction_report"]
