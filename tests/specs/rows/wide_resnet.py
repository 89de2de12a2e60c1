"""Wide residual networks on ImageNet. pytorchcv's `wrn50_2` has its batch norms folded away, and is another network."""

from oracles import Row

ROWS = [
    Row(name, library, name) for name in ("wide_resnet50_2", "wide_resnet101_2") for library in ("torchvision", "timm")
]
