"""Lite R-ASPP."""

from __future__ import annotations

from rows.fcn_resnet import segmentation

ROWS = [segmentation("lraspp_mobilenet_v3_large")]
