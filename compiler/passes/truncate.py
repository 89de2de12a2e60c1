"""Networks that end earlier: truncated at a module, or with features at several taps."""

from __future__ import annotations

from keyword import iskeyword
from typing import ClassVar

from pydantic import Field

from ..ir.graph import Graph, GraphOutput, Value
from .applications import Applications, Path, Paths
from .base import Rewrite, refusal
from .wiring import Wiring


class Truncate(Rewrite):
    """The architecture up to a module, whose tensor is its output. What that does not need is gone, inputs too.

    Names stay, and a checkpoint of the whole loads.
    """

    kind: ClassVar[str] = "truncate"

    at: Path = Field(description="path of the module that is the last one")

    def apply(self, graph: Graph) -> Graph:
        wiring = Wiring(graph)
        wiring.outputs = [GraphOutput(None, (_leaving(Applications(graph), self.at),))]
        return wiring.graph(keep_inputs=False)


class Taps(Rewrite):
    """The architecture with the tensors of some modules as its outputs, as for features of several scales. An output is
    named after its module, with `_` for what a name cannot have: `layer1.0` becomes `layer1_0`. What they do not need
    is gone, inputs too. Names of modules stay, and a checkpoint of the whole loads.

    In training the features are those of the network in training.
    """

    kind: ClassVar[str] = "taps"

    at: Paths = Field(description="paths of the modules")

    def apply(self, graph: Graph) -> Graph:
        outputs: dict[str, GraphOutput] = {}
        applications = Applications(graph)
        for path in self.at:
            value, name = _leaving(applications, path), output_name(path)
            if name in outputs:
                what = f"two outputs would be called `{name}`"
                raise refusal("E0446", what, graph.nodes[value[0]], "each module is tapped once")
            outputs[name] = GraphOutput(name, (value,))
        wiring = Wiring(graph)
        wiring.outputs = list(outputs.values())
        return wiring.graph(keep_inputs=False)


def _leaving(applications: Applications, path: str) -> Value:
    """The one tensor that a module gives. Raises a Fault (E0443, E0446) where there are several or none."""
    graph, value = applications.graph, applications.only(path, "E0446").result(applications.graph, "E0446")
    if not graph.type_of(value).rank:
        raise refusal("E0446", f"`{path}` gives a number, and no tensor with a batch", graph.nodes[value[0]])
    return value


def output_name(path: str) -> str:
    """A module's path as the name of an output."""
    name = "".join(c if c.isalnum() else "_" for c in path)
    return f"_{name}" if name[0].isdigit() else f"{name}_" if iskeyword(name) else name
