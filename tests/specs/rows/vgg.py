"""VGG."""

from oracles import Row

CONVOLUTIONS = {"11": [1, 1, 2, 2, 2], "13": [2, 2, 2, 2, 2], "16": [2, 2, 3, 3, 3], "19": [2, 2, 4, 4, 4]}
NAMES = tuple(f"vgg{depth}" for depth in CONVOLUTIONS)
BN_NAMES = tuple(f"{name}_bn" for name in NAMES)
WHOLE = (1, 3, 224, 224)


def averaged(depth: str, norm: str) -> str:
    """timm's form of a variant."""
    name = f"vgg{depth}{norm and '_bn'}"
    call = f'VGG({CONVOLUTIONS[depth]}, norm = [{norm}], head = "averaged", drop = 0)'
    return f'use VGG from "zoo/vgg.arch"\narch {name}_averaged = {call}'


ROWS = [
    *[Row(name, "torchvision", name) for name in (*NAMES, *BN_NAMES)],
    *[
        Row(
            f"vgg{depth}{norm and '_bn'}_averaged",
            "timm",
            f"vgg{depth}{norm and '_bn'}",
            text=averaged(depth, norm),
            shape=WHOLE,
        )
        for norm in ("", "bn")
        for depth in CONVOLUTIONS
    ],
    *[Row(name, "pytorchcv", name, shape=WHOLE) for name in NAMES],
    *[Row(f"{name}_bn", "pytorchcv", f"bn_{name}", {"bias": False}, shape=WHOLE) for name in NAMES],
    *[Row(f"{name}_bn", "pytorchcv", f"bn_{name}b", shape=WHOLE) for name in NAMES],
    *[Row(name, "pretrainedmodels", name, shape=WHOLE) for name in (*NAMES, *BN_NAMES)],
]
