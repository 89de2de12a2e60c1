"""torch.compile with frozen weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .private import frozen_weights


class Frozen(nn.Module):
    """A module that torch.compile compiles at the first call, and again for other sizes, with its weights as constants.

    Freezing is a global switch of torch's; it is on while this module runs, and as before afterwards.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.compiled = torch.compile(network)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        with frozen_weights():
            return self.compiled(*inputs, **named)
