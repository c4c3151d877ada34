"""Models: networks with weights that are trained, judged, saved and loaded."""

from chainrule.model.core import Model
from chainrule.model.files import load
from chainrule.model.history import History
from chainrule.model.sequential import Sequential

__all__ = ["History", "Model", "Sequential", "load"]
