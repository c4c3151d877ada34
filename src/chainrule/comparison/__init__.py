"""A network beside other models on the same splits, and whether a difference is noise."""

from chainrule.comparison.comparing import compare
from chainrule.comparison.standings import Comparison, Standing

__all__ = ["Comparison", "Standing", "compare"]
