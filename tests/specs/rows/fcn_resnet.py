"""torchvision's segmentation on a residual network."""

from __future__ import annotations

from oracles import Row


def segmentation(name: str, aux: bool | None = None, quick: bool = False) -> Row:
    """With or without the auxiliary classifier, where there is one, and without the backbone's published weights."""
    given = {} if aux is None else {"aux": aux}
    options = {"weights_backbone": None} | ({} if aux is None else {"aux_loss": aux})
    return Row(name, "torchvision", name, given, options=options, shape=(2, 3, 65, 97), quick=quick)


ROWS = [segmentation(name, aux) for name in ("fcn_resnet50", "fcn_resnet101") for aux in (False, True)]
