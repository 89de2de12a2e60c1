"""`archc diff`: two architectures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..architecture import Architecture
from ..catalog import NETWORKS, network_of
from ..compiler.ir.titles import called
from ..dsl.diagnostics import ArchError
from .drawing import format_by_suffix
from .looking import looked_at_network
from .options import sides_of
from .outputs import put_out, ready_for, target_path
from .terminal import aligned, say, say_json, style

if TYPE_CHECKING:
    from ..compiler.compare.difference import Difference, Entry
    from ..compiler.compare.items import Item
    from ..compiler.ir.graph import Graph
    from .analysis_commands import Diff, Equiv
    from .settings import Named

SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": "~", "consequence": "=", "same": " "}
COLOURS = {"+": "green", "-": "red", "~": "cyan", "=": "dim"}
NUMBERS = frozenset({3, 4})
WIDEST, LONGEST = 32, 64
"""Characters of the names in a row, and of what is said of them."""
FEW = 3
"""A scope with so many layers at most is shown by them."""


def architectures_of(request: Diff | Equiv) -> list[Architecture]:
    """The architectures of both sides. The shapes of inputs, and layers of the host, are those of sides that are made
    by Python or read from files of networks, if one is. Raises ArchError, and usage errors."""
    sides = sides_of(request.before, request.after)
    networks = [network_of(side.spec, side.name) for side in sides]
    specs = networks == [None, None]
    found = []
    for side, network in zip(sides, networks, strict=True):
        inputs = request.inputs if network is not None or specs else None
        extern = request.extern and (specs or (network is not None and not network.where.endswith(NETWORKS)))
        found.append(_architecture_of(side, inputs, extern))
    return found


def _architecture_of(side: Named, inputs: list[str] | None, extern: bool) -> Architecture:
    """The architecture of one side. Raises ArchError, which says in this command's way which architecture is meant."""
    try:
        return looked_at_network(side, inputs, extern)
    except ArchError as error:
        found = error.diagnostics[0]
        if found.code != "E0207":
            raise
        name = found.message.rpartition(": ")[2].partition(",")[0]
        raise ArchError([replace(found, hints=(f"say which one, as in `{side.spec}:{name}`",))]) from None


def run_diff(request: Diff) -> int:
    kind = format_by_suffix(request.output)
    before, after = architectures_of(request)
    difference = before.diff(after)
    if request.output is not None:
        write(difference, kind, request.output)
    elif request.format == "json":
        say_json(difference_json(difference))
    else:
        show(difference)
    return int(request.check and bool(difference))


def write(difference: Difference, format: str, output: str) -> None:
    """Writes the picture. Raises ArchError where that cannot be done."""
    from ..viz.diff import draw_difference

    target = target_path(output, f"{difference.before.name}_{difference.after.name}.{format}")
    ready_for(target)
    drawing = draw_difference(difference, format)
    put_out(target, drawing.content, f"{len(drawing.diagram.boxes)} boxes")


# --- as text ---------------------------------------------------------------------------------


def show(difference: Difference) -> None:
    from ..compiler.analyses.figures import multiply_adds, parameters, unstated

    graphs = difference.before, difference.after
    say(style(" -> ".join(both_called(difference.before, difference.after)), "bold"))
    if not difference:
        say("no difference")
        return
    rows = [["", "scope", "what", "parameters", "multiply-adds"], *_rows(difference.entries, 0)]
    rows += [[SIGNS[o.status], f"output {o.name}", o.status, "", ""] for o in difference.outputs]
    for word, graph in zip(("before", "after"), graphs, strict=True):
        rows.append(["", word, graph.name, f"{parameters(graph):,}", f"{multiply_adds(graph):,}"])
    rows.append(["", "change", "", f"{difference.parameters:+,}", f"{difference.multiply_adds:+,}"])
    for row, line in zip(rows, aligned(rows, NUMBERS), strict=True):
        colour = COLOURS.get(row[0])
        say(style(line, colour) if colour else line)
    say()
    counts = [f"{difference.count(status):,} {status}" for status in ("added", "removed", "changed")]
    consequences = difference.count("consequence")
    counts += [f"{consequences:,} other in shape or cost only"] if consequences else []
    say(f"layers: {', '.join(counts)}")
    lacking = sorted({name for graph in graphs for name in unstated(graph, "macs")})
    if lacking:
        say(f"multiply-adds are without those of {' and '.join(lacking)}")
    if difference.renamed:
        say(f"names: {len(difference.renamed):,} layers with weights have other names")


def both_called(one: Graph, other: Graph) -> list[str]:
    """The names of both; where they are the same, with the parameters that differ."""
    if one.name != other.name:
        return [one.name, other.name]
    sides = one.parameters, other.parameters
    differ = {k for side in sides for k in side if sides[0].get(k) != sides[1].get(k)}
    return [called(one.name, {k: v for k, v in side.items() if k in differ}) for side in sides]


def _rows(entries: Sequence[Entry], level: int) -> Iterator[list[str]]:
    from ..viz.words import clipped

    for entry in entries:
        name = _label(entry)
        while [one.status for one in (entry, *entry.members)] == ["same", "same"] and entry.members[0].members:
            entry = entry.members[0]
            name += f".{_label(entry)}"
        costs = entry.costs
        figures = [f"{n:+,}" if n else "" for n in (costs.parameters, costs.multiply_adds)]
        figures = ["", ""] if entry.members and entry.count == 1 else figures
        yield [SIGNS[entry.status], f"{'  ' * level}{name}", clipped(_what(entry), LONGEST), *figures]
        yield from _rows(entry.members, level + 1)


def _label(entry: Entry) -> str:
    """The names on both sides, one where they are the same."""
    if entry.status == "consequence":
        return _clip(_names(entry.items))
    sides = [_names(side) for side in (entry.before, entry.after) if side]
    return _clip(" -> ".join(dict.fromkeys(sides)))


def _clip(text: str) -> str:
    from ..viz.words import clipped

    return clipped(text, WIDEST)


def _names(items: Sequence[Item]) -> str:
    """The names of several, numbers in a row as a range: `unit2..5`."""
    stems = [item.name.rstrip("0123456789") for item in items]
    numbers = [item.name[len(stem) :] for item, stem in zip(items, stems, strict=True)]
    first = items[0].name or (items[0].node.op.kind if items[0].node else "all")
    if len(items) > 1 and len(set(stems)) == 1 and all(numbers):
        runs = all(int(b) == int(a) + 1 for a, b in pairwise(numbers))
        return f"{stems[0]}{numbers[0]}..{numbers[-1]}" if runs else stems[0] + ", ".join(numbers)
    names = [item.name or (item.node.op.kind if item.node else first) for item in items]
    return ", ".join(dict.fromkeys(names))


def _what(entry: Entry) -> str:
    from ..viz.diff import told

    item = entry.items[0]
    times = f"{entry.count} x " if entry.count > 1 else ""
    if entry.settings:
        return times + ", ".join(f"{s.name} {s.before} -> {s.after}" for s in entry.settings)
    if entry.status == "consequence":
        return f"{entry.layers} layers, on other shapes" if entry.layers > 1 else "on another shape"
    if item.node is not None:
        return _origin(entry) if entry.status == "renamed" else times + told(item.node)
    calls = [_call(side[0]) for side in (entry.before, entry.after) if side]
    call = " -> ".join(dict.fromkeys(filter(None, calls)))
    if entry.members or entry.status == "renamed":
        return times + call
    nodes = [leaf.node for leaf in item.leaves() if leaf.node is not None]
    content = f"{len(nodes)} layers" if len(nodes) > FEW else "; ".join(map(told, nodes))
    return times + ": ".join(filter(None, (call, content)))


def _origin(entry: Entry) -> str:
    """Where renamed layers were before."""
    one, parent = entry.before[0], entry.before[0].parent
    place = one.path if entry.count == 1 else parent.path if parent is not None else ""
    return f"from {place}" if place else "from the top"


def _call(item: Item) -> str:
    """The block of a scope with the numbers that come first among its arguments: `bottleneck(256, 2)`."""
    if item.scope is None or item.scope.block is None:
        return ""
    numbers: list[str] = []
    for value in item.scope.arguments.values():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            break
        numbers.append(str(value))
    return f"{item.scope.block}({', '.join(numbers)})" if numbers else item.scope.block


# --- as JSON ---------------------------------------------------------------------------------


def difference_json(difference: Difference) -> dict[str, Any]:
    from ..compiler.analyses.figures import multiply_adds, parameters, unstated

    sides = {
        word: {
            "name": graph.name,
            "parameters": parameters(graph),
            "multiply_adds": multiply_adds(graph),
            "lacks": unstated(graph),
        }
        for word, graph in (("before", difference.before), ("after", difference.after))
    }
    return {
        **sides,
        "same": not difference,
        "parameters": difference.parameters,
        "multiply_adds": difference.multiply_adds,
        "layers": {s: difference.count(s) for s in ("added", "removed", "changed", "consequence")},
        "entries": list(map(entry_json, difference.entries)),
        "outputs": [{"status": output.status, "name": output.name} for output in difference.outputs],
        "renamed": [{"before": before, "after": after} for before, after in difference.renamed],
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    item = entry.items[0]
    return {
        "status": entry.status,
        "before": [one.path for one in entry.before],
        "after": [one.path for one in entry.after],
        "layer": item.node.op.kind if item.node is not None else None,
        "block": _call(item) or None,
        "settings": [{"name": s.name, "before": s.before, "after": s.after} for s in entry.settings],
        "layers": entry.layers,
        "parameters": entry.costs.parameters,
        "multiply_adds": entry.costs.multiply_adds,
        "members": list(map(entry_json, entry.members)),
    }
