"""The ledger: every number of a real training step, and the chain rule made visible."""

from chainrule.ledger.core import Ledger, explain

__all__ = ["Ledger", "explain"]
