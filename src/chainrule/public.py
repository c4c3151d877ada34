"""What `import chainrule as cr` offers: everything here is an attribute of the package."""

from __future__ import annotations

from chainrule import (
    activations,
    constraints,
    data,
    initializers,
    layers,
    losses,
    ops,
    optimizers,
    regularizers,
    schedules,
)
from chainrule.comparison import Comparison, compare
from chainrule.descent import CriticalPoint, Minimum, critical_point, minimize
from chainrule.errors import (
    ChainruleError,
    DataError,
    ModelFileError,
    ShapeError,
    UnknownNameError,
    UsageError,
)
from chainrule.families import register
from chainrule.functions import grad, gradcheck, hessian, hvp, jacobian, value_and_grad
from chainrule.layers.network import input_symbol as Input
from chainrule.ledger import Derivation, Ledger, derive, explain
from chainrule.many import Job, NetworkEvent, TrainingFailed, train_many, training_many
from chainrule.model import History, Model, Sequential, load
from chainrule.training import EarlyStopping

__all__ = [
    "ChainruleError",
    "Comparison",
    "CriticalPoint",
    "DataError",
    "Derivation",
    "EarlyStopping",
    "History",
    "Input",
    "Job",
    "Ledger",
    "Minimum",
    "Model",
    "ModelFileError",
    "NetworkEvent",
    "Sequential",
    "ShapeError",
    "TrainingFailed",
    "UnknownNameError",
    "UsageError",
    "activations",
    "compare",
    "constraints",
    "critical_point",
    "data",
    "derive",
    "explain",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "initializers",
    "jacobian",
    "layers",
    "load",
    "losses",
    "minimize",
    "ops",
    "optimizers",
    "register",
    "regularizers",
    "schedules",
    "train_many",
    "training_many",
    "value_and_grad",
]
