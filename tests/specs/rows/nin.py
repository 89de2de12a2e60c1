"""Network in network, on CIFAR. pytorchcv's pools are padded."""

from typing import Any

from oracles import Row

PADDED = {"pools": "padded"}
FIXED: dict[str, Any] = {"why": "averages by a pool of fixed size, which sums in another order", "within": 2e-6}

ROWS = [
    Row("nin_cifar", "pytorchcv", "nin_cifar10", PADDED, shape=(2, 3, 32, 32), quick=True, **FIXED),
    Row("nin_cifar", "pytorchcv", "nin_cifar100", {**PADDED, "classes": 100}, shape=(2, 3, 32, 32), **FIXED),
]
