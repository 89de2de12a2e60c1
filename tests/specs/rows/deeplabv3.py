"""DeepLabv3."""

from __future__ import annotations

from rows.fcn_resnet import segmentation

MOBILE = "deeplabv3_mobilenet_v3_large"

ROWS = [
    *(segmentation(name, aux) for name in ("deeplabv3_resnet50", "deeplabv3_resnet101") for aux in (False, True)),
    *(segmentation(MOBILE, aux, quick=aux) for aux in (False, True)),
]
