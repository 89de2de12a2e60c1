"""Random programs, for tests that hold the forms of one architecture to each other.

`programs()` draws specs. All tensors in them have 4 channels and one size, so that whatever is merged fits. They have
blocks with bodies of statements and of expressions, layers whose weights are computed, labels (names, paths into scopes
that other labels lead into as well, numbers, quotes), lists in lists, powers, arithmetic of tensors and networks with
each other and with numbers, `order`, `shared`, `fresh`, `param`, `buffer`, `draw`, `frozen`, `recompute`, several
outputs, tuples, and outputs for training only. Most are legal; `elaborated` leaves an example out where one is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from hypothesis import assume
from hypothesis import strategies as st

from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program

CHANNELS = 4
LAYERS = [
    "conv(4, 3)", "conv(4, 3)", "conv(4, 1, bias = zeros)", "conv(2, 3) -> conv(4, 1)", "bn", "bn", "relu", "relu",
    "elu", "tanh", "prelu", "dropout(0.3)", "avgpool(3, 1, padding = 1)", "id", "power(2)", "power(3)", "gated",
    "halves", "like", "dropped", "pair", "deep(2)", "scaled", "survive(0.5)", "unit(4)", "unit(4, 1)", "twice(relu)",
    "twice(bn)", "ln -> swap -> ln -> swap", "drawn", "rep", "nest",
    "computed", "tied", "weighed",
]  # fmt: skip
GIVEN = """
block unit(c, k = 3) = conv1: conv(c, k) -> bn1: bn -> relu
block twice(f) { y = in -> f
  output y + (y -> inner: unit(4)) }
block gated() { param scale = ones([1, 4, 1, 1])  output in * scale }
block scaled() { buffer shift = constant([1, 4, 1, 1], 0.5)  param gain = ones([1, 4, 1, 1])
  output in * gain -> conv(4, 1) -> relu }
block halves() { a, b = in -> split(2)  output b ++ a }
block like() { y = in -> maxpool(3, 1, padding = 1)  output in -> crop(0, like = y) }
block dropped() { draw c = choice(2)  output (in, in -> relu) -> drop_mean(0.1, survivor = c) }
block drawn() { y = in -> conv(4, 1)
  draw c = choice(2)
  output (y, in) -> drop_mean(0.1, survivor = c) }
block merged(c)(first, *rest) { output first + (sum(*rest) -> conv(c, 1)) }
block pair() = (conv(4, 1), id) -> merged(4)
block deep(d) = if d == 0 then id else conv: conv(4, 1) -> deep(d - 1)
block around(f) { param s = ones([1, 4, 1, 1])  output (in * s -> f) + (in -> inner: conv(4, 1)) }
block both(f) { shared g = f  output in -> conv(4, 1) -> g -> relu -> again: g }
block swap() = transpose(1, 3)
block computed() { param kernel = ones([4, 4, 1, 1])  param gain = ones([4, 1, 1, 1])
  output in -> conv: conv(4, 1, weight = kernel * gain) -> relu: relu -> conv_2: conv(4, 1, weight = kernel) }
block tied() { param w = ones([4, 4, 1, 1])  output in -> [conv(4, 1, weight = w), bn, conv(4, 1, bias = zeros)] }
block weighed() { param a = ones([1, 4])  param b = ones([4, 1])
  output in -> swap -> linear(4, weight = a * b, bias = zeros) -> fc: linear(4, weight = b * a) -> swap }
block rep() { order one, b  output (in -> a: conv(4, 1)) + (in -> b: conv(4, 3)) + (in -> one: bn) }
block nest() { order "2"  output [relu, [conv(4, 1), conv(4, 1)], bn] }
"""
NUMBERS = ["2", "0.5", "3.0", "1", "0", "0.1"]
FRESH = ["bn", "conv(4, 3)", "conv(4, 3) -> bn", "a: (conv(4, 3) -> relu) -> b: bn", "id + (conv(4, 3) -> bn)"]
MERGES = [" + ", " - ", " * ", " + ", " ++ "]


@dataclass
class Body:
    """The body of a block or of an architecture while it is drawn: the tensors by name, those that nothing takes yet,
    the networks that are shared, and the labels that stand in its own scope."""

    tensors: list[str]
    unused: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    draws: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class _Drawn:
    """Draws the parts of one program. Labels and names have numbers of their own, so that few collide."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.count = 0
        self.blocks: list[str] = []

    def one(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def number(self) -> int:
        self.count += 1
        return self.count

    def label(self, body: Body | None) -> str:
        number = self.number()
        form = self.one("a{}", "b{}", "{}", "p.c{}", "p.c{}", "q.r.d{}", "p.{}", "q-e{}", "q.f-{}", "in.g{}")
        if form == "in.g{}" and body is not None and body.labels:
            form = f"{self.one(*body.labels)}.g{{}}".replace('"', "")
        text = form.format(number).removeprefix("in.")
        if body is not None and "." not in text:
            body.labels.append(f'"{text}"' if "-" in text or text[0].isdigit() else text)
        words = [f'{{"{word}"}}' if "-" in word else word for word in text.split(".")]
        words[0] = f"{{{words[0]}}}" if words[0].isdigit() else words[0]
        return ".".join(words) + ": "

    # --- networks --------------------------------------------------------------------------

    def network(self, body: Body, depth: int, own: bool = True, fresh: bool = False) -> str:
        """A network, in parentheses where it has to be. `own`: its labels stand in the scope of the body; `fresh`: it
        is inside something shared."""
        forms = ["layer", "layer", "layer", "label", "label", "chain", "chain", "merge", "list", "list", "power"]
        forms += ["wrap", "number", "called", "tuple", "shared", "series", "block", "fresh", "each", "given"]
        form = self.one(*forms) if depth else "layer"
        home = body if own else None
        if form == "label":
            return f"({self.label(home)}{self.network(body, depth - 1, False, fresh)})"
        if form == "shared" and body.shared:
            return self.one(*body.shared)
        if form == "block" and self.blocks:
            return self.one(*self.blocks)
        if form == "fresh" and fresh:
            return f"({self.label(home)}fresh({self.one(*FRESH)}))"
        if form in ("layer", "shared", "block", "fresh"):
            return f"({self.one(*LAYERS)})"
        if form == "given":
            return f"({self.one('twice', 'around', 'both')}({self.network(body, depth - 1, False, fresh)}))"
        if form == "power":
            return f"({self.network(body, depth - 1, False, fresh)} ** {self.one('1', '2', '3')})"
        if form == "series":
            network = self.network(body, depth - 1, False, fresh)
            return f"(s{self.number()}w{{{self.one('0', '1', '3')}..}}: {network} ** {self.one('1', '2', '3')})"
        if form == "number":
            return self.arithmetic(self.network(body, depth - 1, own, fresh))
        if form == "wrap":
            return f"{self.one('frozen', 'recompute')}({self.network(body, depth - 1, own, fresh)})"
        if form == "each":
            return f"((id, relu) -> each({self.network(body, depth - 1, own, fresh)}) -> {self.one('sum', 'max')})"
        parts = [self.network(body, depth - 1, own and form != "list", fresh) for _ in range(int(self.one(*"1223")))]
        return self.joined(form, parts)

    def joined(self, form: str, parts: list[str]) -> str:
        if form == "list":
            star = self.one("", "", "", "*")
            return f"[{', '.join(parts)}]" if not star else f"[relu, *[{', '.join(parts)}]]"
        if form == "merge":
            sign = self.one(*MERGES)
            return f"({sign.join(parts)}{' -> conv(4, 1)' if sign == ' ++ ' and len(parts) > 1 else ''})"
        if form == "called":
            kind = self.one("sum", "mean", "max", "min", "multiply", "concat")
            spread = self.one("{}", "*[{}]").format(", ".join(parts))
            return f"({kind}({spread}){' -> conv(4, 1)' if kind == 'concat' else ''})"
        if form == "tuple":
            ending = self.one("sum", "mean", "drop_mean(0.2)", "freeze_drop_path", "concat -> conv(4, 1)")
            return f"(({', '.join(parts)},) -> {ending})"
        return f"({' -> '.join(parts)})"

    def arithmetic(self, operand: str) -> str:
        form = self.one(
            "{n} * {x}", "{x} * {n}", "{x} / {d}", "{x} + {n}", "{x} - {n}", "{n} - {x}", "-{x}", "-2 * {x}"
        )
        return f"({form.format(x=operand, n=self.one(*NUMBERS), d=self.one('2', '0.5', '8'))})"

    # --- tensors ---------------------------------------------------------------------------

    def tensor(self, body: Body, depth: int) -> str:
        form = self.one(
            "name", "apply", "apply", "apply", "merge", "merge", "number", "label", "sum", "list", "network"
        )
        if form == "name" or not depth:
            return self.taken(body)
        if form == "apply":
            return f"({self.tensor(body, depth - 1)} -> {self.network(body, 2)})"
        if form == "network":
            return f"({self.tensor(body, depth - 1)} -> {self.network(body, 3)})"
        if form == "number":
            return self.arithmetic(self.tensor(body, depth - 1))
        if form == "label":
            return f"({self.label(body)}{self.tensor(body, depth - 1)})"
        parts = [self.tensor(body, depth - 1) for _ in range(int(self.one(*"223")))]
        if form == "list":
            return f"(sum({self.label(body)}[{', '.join(parts)}]))"
        if form == "sum":
            return f"({self.one('sum', 'mean', 'max', 'min')}({', '.join(parts)}))"
        sign = self.one(*MERGES)
        return f"({sign.join(parts)}{' -> conv(4, 1)' if sign == ' ++ ' else ''})"

    def taken(self, body: Body) -> str:
        name = self.one(*body.tensors)
        if name in body.unused:
            body.unused.remove(name)
        return name

    # --- bodies ----------------------------------------------------------------------------

    def statements(self, body: Body, most: int) -> None:
        for _ in range(self.draw(st.integers(1, most))):
            self.statement(body)
        if body.unused:
            last = f"t{self.number()}"
            body.lines.append(f"{last} = {' + '.join(body.unused)}")
            body.tensors.append(last)
            body.unused = [last]
        if body.labels and self.one("", "", "order"):
            names = self.draw(st.lists(st.sampled_from(body.labels), unique=True, min_size=1, max_size=3))
            body.lines.insert(0, f"order {', '.join(names)}")

    def statement(self, body: Body) -> None:
        form = self.one("tensor", "tensor", "tensor", "tensor", "shared", "param", "split", "draw", "loop")
        number = self.number()
        name = f"t{number}"
        if form == "shared":
            network = self.network(body, 2, False, True)
            body.shared.append(f"f{number}")
            body.lines.append(f"shared f{number} = {network}")
            body.lines.append(
                f"{name} = {self.taken(body)} -> {self.label(body) if self.one('', 'label') else ''}f{number}"
            )
        elif form == "param":
            kind = self.one("param v{} = ones([1, 4, 1, 1])", "buffer v{} = constant([1, 4, 1, 1], 0.5)")
            body.lines.append(kind.format(number))
            body.lines.append(
                f"{name} = {self.one('{t} * {v}', '{v} * {t}').format(t=self.taken(body), v=f'v{number}')}"
            )
        elif form == "split":
            body.lines.append(f"l{number}, r{number} = {self.taken(body)} -> {self.network(body, 1)} -> split(2)")
            body.lines.append(f"{name} = r{number} ++ {self.one(f'l{number}', f'(l{number} -> relu)')}")
        elif form == "draw":
            body.lines.append(f"draw d{number} = choice(2)")
            a, b = self.tensor(body, 1), self.tensor(body, 1)
            body.lines.append(f"{name} = ({a}, {b}) -> drop_mean(0.2, survivor = d{number})")
        elif form == "loop":
            start = self.taken(body)
            body.lines.append(f"{name} = {start}")
            body.lines.append(f"for i in 1..2 {{ {name} = {name} -> g{number}w{{i}}: {self.network(body, 1, False)} }}")
        else:
            body.lines.append(f"{name} = {self.tensor(body, 3)}")
        body.tensors.append(name)
        body.unused.append(name)

    def block(self, name: str) -> str:
        body = Body(["in"])
        if self.one("body", "expression") == "expression":
            return f"block {name}() = {self.network(body, 3)}"
        self.statements(body, 3)
        text = "\n  ".join([*body.lines, f"output {body.tensors[-1]}"])
        return f"block {name}() {{\n  {text}\n}}"

    def program(self) -> str:
        definitions = []
        for number in range(self.draw(st.integers(0, 2))):
            definitions.append(self.block(f"k{number}"))
            self.blocks.append(f"k{number}")
        inputs = ["x", "y"][: int(self.one("1", "1", "2"))]
        body = Body(list(inputs))
        self.statements(body, 4)
        body.lines += self.outputs(body)
        size = self.one("6, 6", "H, W", "2 * h, 2 * h")
        nominal = " = [1, 4, 6, 6]" if size != "6, 6" else ""
        lines = [*(f"input {name}: [N, 4, {size}]{nominal}" for name in inputs), *body.lines]
        return GIVEN + "\n".join(definitions) + "\narch Net {\n  " + "\n  ".join(lines) + "\n}\n"

    def outputs(self, body: Body) -> list[str]:
        last, other = body.tensors[-1], self.one(*body.tensors)
        head = f"{last} -> gap -> fc: linear(3)"
        return list(
            self.draw(
                st.sampled_from(
                    [
                        (f"output {last}",),
                        (f"output {last}",),
                        (f"output {head}",),
                        (f"output ({last}, {other})",),
                        (f"output first = {last}", f"output second = {other}"),
                        (f"output {last}", f"output aux = {other} -> aux: conv(2, 1) when training"),
                        (f"output aux = {other} -> aux.head: (conv(4, 1) -> bn) when training", f"output {head}"),
                    ]
                )
            )
        )


SHARED = [
    "gated", "frozen(gated)", "recompute(gated)", "a: gated", "gated -> conv(4, 1)", "(power(2) + conv(4, 3)) ** 1",
    "[power(2), conv(4, 3)] ** 1", "(s1w{0..}: gated ** 1)", "(relu + conv(4, 3)) ** 2", "around(bn)", "both(gated)",
    "tied", "id + tied", "dropped -> conv(4, 1)", "fresh(conv(4, 3))", "[fresh(bn), conv(4, 1)]",
    "id + fresh(conv(4, 3) -> bn)", "recompute(conv(4, 1) -> gated) -> relu", "frozen(conv(4, 3)) -> gated",
    "around(around(gated))", "2 * (gated ** 1)", "p.a: (gated -> relu)", "p.0: (power(2) + conv(4, 3))",
    "[[conv(4, 3), relu]]", "[fresh(bn), recompute(gated), fresh(conv(4, 1))]", "both(recompute(gated)) -> relu",
    "[frozen(fresh(bn)), conv(4, 1), fresh(conv(4, 3))]", "u: (recompute(conv(4, 3) -> bn)) -> id",
]  # fmt: skip
APPLIED = [
    "{0}", "{0} -> relu -> {0}", "a: {0}", "p.c: {0} -> p.{0}: {0}", "recompute(relu -> {0})", "[relu, {0}]",
    "{0} ** 2", "(s2w{{0..}}: {0} ** 3)", "both({0})", "around({0})", "id + {0}", "frozen({0})", "q.r.d: ({0} -> relu)",
    "a: (relu -> {0})", "[[{0}]]", "p.5: {0}", "id + a: {0}", "[{0}, bn, {0}]", "each({0})", "conv(4, 3)",
]  # fmt: skip
STATEMENTS = [
    "{s} -> {n}",
    "({s} -> {n}) + {s}",
    "b{i}: ({s} -> {n})",
    "(p.c{i}: ({s} -> {n})) + x",
    "({s}, x) -> sum -> {n}",
]


@st.composite
def sharing(draw: st.DrawFn) -> str:
    """The text of a spec whose architecture is called Net, and applies shared networks in all kinds of ways."""
    lines, tensors = ["input x: [N, 4, 6, 6]"], ["x"]
    for number, network in enumerate(draw(st.lists(st.sampled_from(SHARED), min_size=1, max_size=3))):
        lines.append(f"shared f{number} = {network}")
        for form in draw(st.lists(st.sampled_from(APPLIED), min_size=1, max_size=4)):
            applied = form.format(f"f{draw(st.integers(max(0, number - 1), number))}")
            source = draw(st.sampled_from(tensors[-2:]))
            count = len(tensors)
            lines.append(f"t{count} = " + draw(st.sampled_from(STATEMENTS)).format(s=source, n=applied, i=count))
            tensors.append(f"t{count}")
    lines.append(f"output {' + '.join(tensors[1:])}")
    shared = [line.split()[1] for line in lines if line.startswith("shared")]
    if ordered := draw(st.lists(st.sampled_from(shared), unique=True)):
        lines.insert(1, f"order {', '.join(ordered)}")
    return GIVEN + "arch Net {\n  " + "\n  ".join(lines) + "\n}\n"


@st.composite
def _drawn(draw: st.DrawFn) -> str:
    return _Drawn(draw).program()


def programs() -> st.SearchStrategy[str]:
    """Texts of specs whose architecture is called Net."""
    return st.one_of(_drawn(), _drawn(), _drawn(), sharing())


def elaborated(text: str) -> Graph:
    """The graph of a drawn program. Ends the example where the program is not legal."""
    graph = Program.parse(text).elaborate("Net").graph
    assume(graph is not None)
    assert graph is not None
    return graph


def images(graph: Graph, batch: int = 2) -> list[torch.Tensor]:
    """Inputs of a drawn architecture at its usual sizes, the same on every call."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, *entry.nominal[1:], generator=generator) for entry in graph.inputs]
