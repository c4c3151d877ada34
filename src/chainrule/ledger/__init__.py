"""The ledger: every number of a real training step, and the chain rule made visible."""

from chainrule.ledger.core import Ledger, explain
from chainrule.ledger.derivation import Derivation, derive

__all__ = ["Derivation", "Ledger", "derive", "explain"]
