"""Training: the graphs of a step, and the loop as a generator of events."""

from chainrule.training.events import (
    BestSoFar,
    EpochEnd,
    Event,
    Listener,
    Progress,
    Stopped,
    TrainingStarted,
)
from chainrule.training.stopping import EarlyStopping

__all__ = [
    "BestSoFar",
    "EarlyStopping",
    "EpochEnd",
    "Event",
    "Listener",
    "Progress",
    "Stopped",
    "TrainingStarted",
]
