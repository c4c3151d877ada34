"""The page and the pictures of a run, made from plain dicts and arrays."""

from chainrule.report.curves import save_curves
from chainrule.report.page import write_report
from chainrule.report.predictions import Predictions, worst_rows

__all__ = ["Predictions", "save_curves", "worst_rows", "write_report"]
