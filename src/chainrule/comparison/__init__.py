"""A network beside other models on the same splits, and whether a difference is noise."""

from chainrule.comparison.comparing import Comparison, Standing, compare

__all__ = ["Comparison", "Standing", "compare"]
