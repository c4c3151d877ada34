"""One experiment: data from anywhere, split, prepared, trained, judged and written down."""

from chainrule.experiment.describing import describe_source
from chainrule.experiment.evaluating import evaluate_run, predict_run
from chainrule.experiment.folder import read_history, read_result, to_json
from chainrule.experiment.preparing import Prepared
from chainrule.experiment.running import Outcome, run
from chainrule.experiment.settings import Settings

__all__ = [
    "Outcome",
    "Prepared",
    "Settings",
    "describe_source",
    "evaluate_run",
    "predict_run",
    "read_history",
    "read_result",
    "run",
    "to_json",
]
