"""What emitters raise. Nothing here needs torch."""

from __future__ import annotations


class EmitError(RuntimeError):
    """A fault of the compiler, or of whoever made the graph: something that no spec may cause reached an emitter."""
