"""One experiment: data from anywhere, split, prepared, trained, judged and written down."""

from chainrule.experiment.evaluating import evaluate_run, predict_run
from chainrule.experiment.running import Outcome, run
from chainrule.experiment.settings import Settings

__all__ = ["Outcome", "Settings", "evaluate_run", "predict_run", "run"]
