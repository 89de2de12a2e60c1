"""The rewrites by name: none is imported before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...dsl.diagnostics import fault
from ..ir.words import did_you_mean
from ..ops.build import build_op
from .base import Rewrite

REWRITES: dict[str, str] = {
    "convolutionalize": "convolutionalize:Convolutionalize",
    "remove": "remove:Remove",
    "remove_shortcuts": "remove:RemoveShortcuts",
    "reorder": "reorder:Reorder",
    "swap": "reorder:Swap",
    "truncate": "truncate:Truncate",
    "taps": "truncate:Taps",
    "extract_column": "columns:ExtractColumn",
    "tie": "tie:Tie",
    "untie": "untie:Untie",
    "unroll": "unroll:Unroll",
    "fold_batch_norm": "fold:FoldBatchNorm",
    "change_classes": "classes:ChangeClasses",
    "merge_branches": "branches:MergeBranches",
    "split_branches": "branches_split:SplitBranches",
    "insert_identity": "identity:InsertIdentity",
    "widen": "widen:Widen",
}
"""What a spec may call, by the name it calls it: `module:Class`, the module in this package."""


def lookup(name: str) -> type[Rewrite]:
    """The rewrite of this name. Raises a Fault where there is none."""
    if name not in REWRITES:
        hints = did_you_mean(name, REWRITES) or (f"there are {', '.join(REWRITES)}",)
        raise fault("E0442", f"there is no rewrite `{name}`", None, *hints)
    module, cls = REWRITES[name].split(":")
    return getattr(import_module(f".{module}", __package__), cls)


class Passes:
    """The rewrites, for the elaborator, which does not import them."""

    def make(self, name: str, settings: dict[str, Any]) -> Rewrite:
        """The rewrite of this name. Raises ArgumentError for wrong settings, and a Fault where there is none."""
        return build_op(lookup(name), [], settings)
