"""Makes single edits of shipped networks, and says whether archc refuses those that torch cannot run, and no others.

    python tests/faults.py --count 2000

draws that many edits from the seed: a setting of a layer changes, a layer is left out or another one, a tensor comes
from elsewhere, or a word or number of a spec's text is another. Each runs on meta tensors, which have shapes and no
numbers. What archc accepts is built and run; what it refuses is run with the layers as they were before the edit, where
that can be. Reported are recall, the share of refused among those that do not run, and the refused that run.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent / "compiler" / "ops"))

import torch
from interpret import DTYPES, Lowered

import archc
from archc.api import found
from archc.catalog import ZOO, shipped
from archc.compiler.emit.trials import make_inputs
from archc.compiler.ir.graph import Graph, Node
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.core import Parameter
from archc.compiler.ops.merge import Elementwise
from archc.compiler.ops.stochastic import DropMean

LARGEST = 700
"""Nodes of a network beyond which it is not drawn."""
RULES = ("E0410", "E0425", "E0501", "E0504", "E0509", "E0604")
"""Rules of the language that torch does not have: crops within the map, what the axes mean, names, claims."""
OTHERS = ("relu", "sum", "concat", "conv", "linear", "gap", "flatten", "bn", "ln", "softmax", "maxpool", "transpose")


@dataclass
class Edit:
    """An edit of a graph. `what` says it; `apply` makes it in a graph of networkx, and `before` changes the run of the
    layers as they were: what a node is, None for nothing, and where its inputs come from."""

    what: str
    apply: Callable[[Any], None]
    node: int
    op: Any = None
    inputs: tuple[tuple[int, int], ...] | None = None
    bypassed: bool = False


@dataclass
class Report:
    count: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    escaped: list[str] = field(default_factory=list)
    unjudged: Counter[str] = field(default_factory=Counter)

    @property
    def recall(self) -> float:
        failing = self.count["refused, does not run"] + len(self.missed)
        return 1.0 if not failing else self.count["refused, does not run"] / failing


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=2000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    warnings.simplefilter("ignore")
    report = run(given.count, given.seed)
    for kind, number in sorted(report.count.items()):
        print(f"{number:6,}  {kind}")
    for code, number in report.unjudged.most_common():
        print(f"{number:6,}  refused by a rule of the language, {code}")
    found = {
        "accepted, and does not run": report.missed,
        "refused, and runs": report.false,
        "an exception that is not archc's": report.escaped,
    }
    for title, lines in found.items():
        print(f"\n{title}: {len(lines)}")
        for line in lines:
            print(f"  {line}")
    print(f"\nrecall {report.recall:.2%}, false positives {len(report.false)}")
    return int(report.recall < 0.99 or bool(report.false or report.escaped))


def run(count: int, seed: int) -> Report:
    """Makes and judges the edits."""
    chance = random.Random(seed)
    report = Report()
    names = sorted(shipped())
    nets: dict[str, archc.Architecture | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        zoo = Path(shutil.copytree(ZOO.parent, Path(folder) / "specs"))
        done = 0
        while done < count:
            name = chance.choice(names)
            if name not in nets:
                nets[name] = loaded(name)
            net = nets[name]
            if net is None:
                continue
            if chance.random() < 0.25:
                text_edit(name, zoo, chance, report)
            else:
                edit = drawn(net.ir, chance)
                graph_edit(net, name, edit, report)
            done += 1
    return report


def loaded(name: str) -> archc.Architecture | None:
    """The shipped network, where it has defaults and is not too large."""
    with suppress(archc.ArchError):
        net = archc.load(name)
        return net if 2 < len(net.ir.nodes) <= LARGEST else None
    return None


# --- graphs ------------------------------------------------------------------------------------


def drawn(graph: Graph, chance: random.Random) -> Edit:
    kind = chance.choice((nudged, nudged, bypassed, rewired, replaced))
    nodes = [node for node in graph.nodes if not node.op.is_input]
    return kind(graph, chance.choice([node for node in nodes if node.inputs] or nodes), chance)


def nudged(graph: Graph, node: Node, chance: random.Random) -> Edit:
    """A number among the settings becomes another one, in all applications of the layer."""
    settings = [(n, k) for n in graph.nodes if not n.op.is_input for k, v in n.op if type(v) is int]
    node, name = chance.choice(settings)
    value = getattr(node.op, name)
    # Meta tensors do not mind a dilation or a size of 0, which torch's kernels refuse. Axes may be negative.
    others = (value + 1, value * 2, value - 1, value // 2)
    other = chance.choice([v for v in others if v != value and (v > 0 or v < 0 > value)])

    def apply(edited: Any) -> None:
        for application in graph.nodes:
            if application.owner == node.owner:
                edited.nodes[application.index][name] = other

    what = f"{node}: {name} = {value} -> {other}"
    return Edit(what, apply, node.owner, op=node.op.model_copy(update={name: other}))


def replaced(graph: Graph, node: Node, chance: random.Random) -> Edit:
    """A node becomes another layer, with as few settings as there may be."""
    op = chance.choice(OTHERS)
    settings = {"conv": {"channels": 8, "kernel": 3}, "linear": {"channels": 8}, "maxpool": {"kernel": 2}}.get(op, {})

    def apply(edited: Any) -> None:
        path = edited.nodes[node.index].get("path")
        edited.nodes[node.index].clear()
        edited.nodes[node.index].update(op=op, **settings, **({"path": path} if path else {}))

    return Edit(f"{node} -> {op}", apply, -1)


def bypassed(graph: Graph, node: Node, chance: random.Random) -> Edit:
    """A node is left out; what takes its result takes its first input."""

    def apply(edited: Any) -> None:
        ((source, data),) = [(s, d) for s, _, d in edited.in_edges(node.index, data=True) if d["slot"] == 0]
        for _, target, said in list(edited.out_edges(node.index, data=True)):
            edited.add_edge(source, target, port=data["port"], slot=said["slot"])
        for output in edited.graph["outputs"]:
            output["values"] = [(source, data["port"]) if n == node.index else (n, p) for n, p in output["values"]]
        edited.remove_node(node.index)

    return Edit(f"{node} left out", apply, node.index, bypassed=True)


def rewired(graph: Graph, node: Node, chance: random.Random) -> Edit:
    """An input comes from another node before."""
    slot = chance.randrange(len(node.inputs))
    source = chance.randrange(node.index)
    inputs = tuple((source, 0) if i == slot else value for i, value in enumerate(node.inputs))

    def apply(edited: Any) -> None:
        edges = edited.in_edges(node.index, keys=True, data=True)
        ((old, _, key),) = [(s, t, k) for s, t, k, data in edges if data["slot"] == slot]
        edited.remove_edge(old, node.index, key)
        edited.add_edge(source, node.index, port=0, slot=slot)

    return Edit(f"{node}: input {slot} from {graph.nodes[source]}", apply, node.index, inputs=inputs)


def graph_edit(net: archc.Architecture, name: str, edit: Edit, report: Report) -> None:
    edited = net.graph
    edit.apply(edited)
    try:
        made = archc.from_graph(edited)
    except archc.ArchError as error:
        codes = {d.code for d in error.diagnostics if d.severity == "error"}
        judge(f"{name}, {edit.what}: {', '.join(sorted(codes))}", codes, runs_as_before(net.ir, edit), report)
    except Exception as error:
        report.escaped.append(f"{name}, {edit.what}: {_said(error)}")
    else:
        accepted(f"{name}, {edit.what}", made, report)


def judge(what: str, codes: set[str], ran: bool | None, report: Report) -> None:
    """What came of an edit that is refused."""
    if ran is None:
        report.count["refused, not judged"] += 1
    elif not ran:
        report.count["refused, does not run"] += 1
    elif codes & set(RULES):
        report.unjudged.update(codes & set(RULES))
    else:
        report.false.append(what)


def accepted(what: str, net: archc.Architecture, report: Report) -> None:
    """Builds what was accepted, and runs it at the usual sizes."""
    try:
        module = net.module(device="meta").eval()
        inputs = make_inputs(net.ir, net.ir.nominal, "meta", torch.float32)
        with torch.no_grad():
            module(*inputs)
    except archc.ArchError as error:
        report.count[f"accepted, not built: {error.diagnostics[0].code}"] += 1
    except Exception as error:
        report.missed.append(f"{what}: {_said(error)}")
    else:
        report.count["accepted, runs"] += 1


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:150]}"


def runs_as_before(graph: Graph, edit: Edit) -> bool | None:
    """Whether torch runs the edited network, with the layers as they were before; None where that cannot be said, or
    where torch stretches a map of one place, which the language does not."""
    if edit.node < 0:
        return None
    stretched = False
    values: dict[tuple[int, int], torch.Tensor] = {}
    tensors = iter(make_inputs(graph, graph.nominal, "meta", torch.float32))
    made: dict[int, Any] = {}
    try:
        with torch.device("meta"), torch.no_grad():
            for node in graph.nodes:
                inputs = [values[v] for v in (edit.inputs if edit.inputs and node.index == edit.node else node.inputs)]
                stretched |= _broadcasts(graph, node, inputs)
                results = (
                    (next(tensors),)
                    if node.op.is_input
                    else (inputs[0],) * len(node.outputs)
                    if edit.bypassed and node.index == edit.node
                    else layer(graph, node, edit, made)(*inputs)
                )
                values.update({(node.index, port): tensor for port, tensor in enumerate(results)})
    except Unknown:
        return None
    except (AttributeError, KeyError, NameError):
        raise  # torch raises none of these for sizes
    except Exception:
        return False
    return None if stretched else True


def _broadcasts(graph: Graph, node: Node, inputs: list[torch.Tensor]) -> bool:
    """Whether tensors of a merge that had one shape have several after the edit."""
    before = [graph.type_of(value).dims for value in node.inputs]
    now = {(dims, tensor.shape) for dims, tensor in zip(before, inputs, strict=True)}
    return isinstance(node.op, Elementwise | DropMean) and len(set(before)) < len(now)


class Unknown(Exception):
    """A layer cannot be made of what is known."""


def layer(graph: Graph, node: Node, edit: Edit, made: dict[int, Any]) -> Any:
    """The torch module of a node, with the shapes of before; what is shared is made once."""
    changed = edit.op is not None and edit.node in (node.index, node.owner)
    owner = node.owner
    if owner in made:
        return made[owner]
    if isinstance(node.op, Parameter):
        kind = numbers(graph, node.outputs[0])
        return lambda: (torch.empty(kind.dims, dtype=DTYPES[kind.dtype]),)
    types = [numbers(graph, graph.nodes[source].outputs[port]) for source, port in node.inputs]
    try:
        op = edit.op if changed else node.op
        made[owner] = Lowered(op, tuple(types), tuple(numbers(graph, t) for t in node.outputs)).eval()
    except Exception as error:
        if changed:
            raise  # torch, too, makes no such layer
        raise Unknown from error
    return made[owner]


def numbers(graph: Graph, kind: TensorType) -> TensorType:
    """The type with the usual sizes in place of symbols."""
    dims = [dim if isinstance(dim, int) else dim.evaluate(graph.nominal) for dim in kind.dims]
    return kind.with_dims(dims)


# --- texts -------------------------------------------------------------------------------------


WORD = re.compile(r"(?<![\w.\"])\d+(?![\w.])|\+\+|(?<= )[+*-](?= )|\b(?:relu|bn|conv|gap|id|linear)\b")


def words(text: str) -> Iterator[re.Match[str]]:
    """Numbers, operators and layers of a text, without its doc string and comments."""
    body = re.sub(r'""".*?"""|#[^\n]*|"[^"\n]*"|expect[^\n]*', lambda m: " " * len(m[0]), text, flags=re.DOTALL)
    return WORD.finditer(body)


def edited_text(text: str, chance: random.Random) -> tuple[str, str]:
    """The text with another word at one place, and what was done at which line."""
    word = chance.choice(list(words(text)))
    if word[0].isdigit():
        other = str(chance.choice([int(word[0]) + 1, int(word[0]) * 2, max(int(word[0]) - 1, 0)]))
    else:
        like = ("+", "++", "*", "-") if not word[0][0].isalpha() else ("relu", "bn", "gap", "id")
        other = chance.choice([w for w in like if w != word[0]])
    line = text[: word.start()].count("\n") + 1
    return text[: word.start()] + other + text[word.end() :], f"{line}: {word[0]} -> {other}"


def text_edit(name: str, zoo: Path, chance: random.Random, report: Report) -> None:
    """A word of the text is another; claims of the file do not count."""
    path = zoo / shipped()[name].relative_to(ZOO.parent)
    text = path.read_text("utf-8")
    changed, what = edited_text(text, chance)
    path.write_text(changed, "utf-8")
    what = f"{name}, {path.name}:{what}"
    try:
        made = found(str(path), name, {}, None, [])
    except archc.ArchError:
        report.count["refused text, not judged"] += 1
    except Exception as error:
        report.escaped.append(f"{what}: {_said(error)}")
    else:
        accepted(what, made, report)
    finally:
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
