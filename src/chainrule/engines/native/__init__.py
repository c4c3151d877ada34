"""The native engine: graphs lowered to flat plans that compiled code carries out."""

from chainrule.engines.native.drafts import NoKernel
from chainrule.engines.native.engine import Native, lowered
from chainrule.engines.native.lowering import lower

__all__ = ["Native", "NoKernel", "lower", "lowered"]
