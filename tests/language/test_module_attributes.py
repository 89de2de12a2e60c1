"""The names that a label may not have are those that torch's modules have."""

from __future__ import annotations

from torch import nn
from torch.fx import GraphModule

from archc.compiler.elaborate.module_names import MODULE_ATTRIBUTES


def test_labels_hide_nothing_of_torch() -> None:
    module = GraphModule(nn.Module(), __import__("torch").fx.Graph())
    public = {name for name in (*dir(nn.Module), *dir(GraphModule), *dir(module)) if not name.startswith("_")}
    assert public <= MODULE_ATTRIBUTES
