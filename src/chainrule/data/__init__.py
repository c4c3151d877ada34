"""From what a user has (files, frames, arrays) to the arrays a network learns from."""

from chainrule.data.columns import Column, describe_columns, find_target, infer_task
from chainrule.data.frames import as_frame, as_values, is_frame, missing_values
from chainrule.data.preprocessing import Preprocessing
from chainrule.data.sources import Source, built_in_names, load_source
from chainrule.data.splits import Split, random_sentence, split_rows, validation_split
from chainrule.data.targets import Target

__all__ = [
    "Column",
    "Preprocessing",
    "Source",
    "Split",
    "Target",
    "as_frame",
    "as_values",
    "built_in_names",
    "describe_columns",
    "find_target",
    "infer_task",
    "is_frame",
    "load_source",
    "missing_values",
    "random_sentence",
    "split_rows",
    "validation_split",
]
