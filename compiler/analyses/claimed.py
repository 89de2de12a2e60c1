"""What claims are about: the figures of a graph, of its layers of a kind, and of its scopes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..ir.graph import Graph, Node
from ..ir.sizes import Dim, Size, substitute, total
from ..ir.words import few
from .figures import Numbers, check_stated, depth, evaluated, numbers_of, paths, shape, spent
from .parts import Parts

if TYPE_CHECKING:
    from .receptive_field import Seen

_AT_SIZES = ("macs", "shape", "receptive_field")


class Figures:
    """What `expect` can ask. Selectors are a kind of layer (`conv`) or a scope's path."""

    names: tuple[str, ...] = (
        "params",
        "buffers",
        "macs",
        "depth",
        "shape",
        "paths",
        "count",
        "layers",
        "receptive_field",
    )

    def __init__(self) -> None:
        self._last: _Known | None = None

    def _of(self, graph: Graph) -> _Known:
        if self._last is None or self._last.graph is not graph:
            self._last = _Known(graph)
        return self._last

    def looks(self, graph: Graph, name: str, selector: str | None, sizes: dict[str, Dim]) -> int:
        """How many nodes telling the figure looks at, beyond what was told before."""
        return self._of(graph).looks(name, selector, sizes)

    def measure(self, graph: Graph, name: str, selector: str | None, sizes: dict[str, Dim]) -> Any:
        """The figure. Raises ValueError where there is none, ArchError where it cannot be told."""
        return self._of(graph).measure(name, selector, sizes)

    def explain(self, graph: Graph, name: str, selector: str | None) -> tuple[str, ...]:
        """Where a figure comes from: the parts with the most of it, or the layers that are counted."""
        return self._of(graph).explain(name, selector)


class _Known:
    """One graph, of which everything is worked out once, for whatever is asked of it."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self._parts: dict[tuple[str | None, bool], list[Node]] = {}
        self._formulas: dict[str | None, Dim] = {}
        self._figures: dict[tuple[str, str | None], Any] = {}
        self._numbers: dict[int, Numbers] = {}

    @cached_property
    def parts(self) -> Parts:
        return Parts(self.graph)

    @cached_property
    def costs(self) -> list[Dim]:
        return spent(self.graph)

    @cached_property
    def needed(self) -> list[bool]:
        return evaluated(self.graph)

    @cached_property
    def seen(self) -> Seen:
        from .receptive_field import Seen

        return Seen(self.graph)

    def selected(self, selector: str | None, owners_only: bool = False) -> list[Node]:
        key = selector, owners_only
        if key not in self._parts:
            self._parts[key] = self.parts.selected(selector, owners_only)
        return self._parts[key]

    def numbers(self, node: Node) -> Numbers:
        if node.index not in self._numbers:
            self._numbers[node.index] = numbers_of(self.graph, node)
        return self._numbers[node.index]

    def at(self, sizes: dict[str, Dim]) -> dict[str, int]:
        """The sizes of a receptive field: the usual ones where an `at` leaves them open."""
        return self.graph.nominal | {name: size for name, size in sizes.items() if isinstance(size, int)}

    def looks(self, name: str, selector: str | None, sizes: dict[str, Dim]) -> int:
        if name == "receptive_field":
            return self.seen.looks(self.at(sizes))
        if name == "macs" and selector in self._formulas:
            formula = self._formulas[selector]
            return 10 * len(formula.terms) if isinstance(formula, Size) else 1
        if (name, selector) in self._figures:
            return 1
        if name == "shape":
            return sum(self.graph.type_of(value).rank for output in self.graph.outputs for value in output.values)
        try:
            return len(self.graph.nodes if selector is None else self.selected(selector))
        except ValueError:
            return 1

    def measure(self, name: str, selector: str | None, sizes: dict[str, Dim]) -> Any:
        if name in _AT_SIZES:
            return self._at(name, selector, sizes)
        key = name, selector
        if key not in self._figures:
            self._figures[key] = self._whole(name, selector)
        return self._figures[key]

    def _at(self, name: str, selector: str | None, sizes: dict[str, Dim]) -> Any:
        """A figure that depends on the sizes of the inputs."""
        if name == "macs":
            if selector not in self._formulas:
                chosen = self.selected(selector)
                check_stated(name, (node for node in chosen if self.needed[node.index]))
                self._formulas[selector] = total(self.costs[node.index] for node in chosen)
            return substitute(self._formulas[selector], {**self.graph.nominal, **sizes})
        if name == "receptive_field":
            from .receptive_field import extent

            return extent(self.seen, selector, self.at(sizes), self.parts)
        if selector is not None:
            raise ValueError(_OF_THE_WHOLE)
        return shape(self.graph, sizes)

    def _whole(self, name: str, selector: str | None) -> Any:
        """A figure that does not."""
        match name:
            case "params":
                return sum(self.numbers(node).parameters for node in self.selected(selector, True))
            case "buffers":
                return sum(self.numbers(node).buffers for node in self.selected(selector, True))
            case "count" | "layers":
                return len(self.selected(selector, name == "layers"))
            case _ if selector is not None:
                raise ValueError(_OF_THE_WHOLE)
            case "depth":
                check_stated(name, self.graph.nodes)
                return depth(self.graph)
        return paths(self.graph)

    def explain(self, name: str, selector: str | None) -> tuple[str, ...]:
        if name in ("params", "buffers", "macs"):
            return self._largest(name, self.selected(selector, name != "macs"))
        if name in ("count", "layers"):
            return (_listed("they are", self.selected(selector, name == "layers")),)
        if name == "depth":
            counted = [n for n in self.graph.nodes if n.op.is_weight_layer()]
            return (_listed(f"{len(counted)} applications of convolutions and dense layers, on all paths:", counted),)
        return ()

    def _largest(self, name: str, nodes: list[Node]) -> tuple[str, ...]:
        """The five parts with the most of a figure, one level below what all of the nodes have in common."""
        paths = [n.path.split(".") if n.name else [*n.scope.path.split("."), ""] for n in nodes]
        common = 0
        while len(paths) > 1 and len({tuple(p[: common + 1]) for p in paths}) == 1 and len(paths[0]) > common:
            common += 1
        sums: dict[str, int] = {}
        for node, path in zip(nodes, paths, strict=True):
            value = self._share(name, node)
            if value:
                named = path[: common + 1]
                part = ".".join(named) if named[-1] else node.called.replace("`", "")
                sums[part] = sums.get(part, 0) + value
        largest = sorted(sums.items(), key=lambda item: -item[1])[:5]
        return ("most of it is in " + ", ".join(f"{part} ({value:,})" for part, value in largest),) if largest else ()

    def _share(self, name: str, node: Node) -> int:
        if name == "macs":
            value = substitute(self.costs[node.index], dict(self.graph.nominal))
            return value if isinstance(value, int) else 0
        return getattr(self.numbers(node), {"params": "parameters"}.get(name, name))


_OF_THE_WHOLE = "is a figure of the whole arch"


def _listed(what: str, nodes: list[Node]) -> str:
    paths = dict.fromkeys(n.path if n.name else f"in {n.scope.path or 'the arch itself'}" for n in nodes)
    return f"{what} {few(list(paths))}" if nodes else "there is none"
