"""Plain networks: torchvision's ResNets without their shortcuts."""

from oracles import Row
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock, ResNet


class Plain(nn.Module):
    """The layers of a basic block, one after the other."""

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu, self.conv2, self.bn2 = (
            block.conv1,
            block.bn1,
            block.relu,
            block.conv2,
            block.bn2,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


def without_shortcuts(network: ResNet) -> nn.Module:
    """torchvision's network of basic blocks, less the shortcuts."""
    for name in ("layer1", "layer2", "layer3", "layer4"):
        setattr(network, name, nn.Sequential(*(Plain(block) for block in getattr(network, name))))
    return network


def row(depth: int) -> Row:
    name = f"resnet{depth}"
    return Row(
        f"plain{depth}",
        "torchvision",
        f"{name} without shortcuts",
        make=lambda: without_shortcuts(get_model(name, weights=None)),
    )


ROWS = [row(18), row(34)]
