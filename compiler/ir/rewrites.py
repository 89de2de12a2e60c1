"""The rewrites by name: what a spec calls, the command line takes, and the passes carry out."""

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
    "absorb_batch_norm": "absorb:AbsorbBatchNorm",
    "merge_kernels": "merge_kernels:MergeKernels",
    "pool_first": "pools:PoolFirst",
    "change_classes": "classes:ChangeClasses",
    "merge_branches": "branches:MergeBranches",
    "split_branches": "branches_split:SplitBranches",
    "insert_identity": "identity:InsertIdentity",
    "widen": "widen:Widen",
    "recompute_modules": "recompute:RecomputeModules",
}
"""`module:Class`, the module in `compiler.passes`: none is imported before it is used."""
SPELLINGS = {"convolutionalise": "convolutionalize"}
"""Other spellings of their names."""
