"""Whether two architectures are the same function, up to a map of their weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..analyses.usual import checked_sizes
from ..ir.graph import Graph, GraphOutput, WeightMap, concrete
from ..ir.sizes import Dim, Size, substitute, symbol, symbols
from ..ir.types import TensorType
from ..ops.core import Extern
from .equivalence_matching import Matching
from .equivalence_reading import OwnTensors, Reading, sized
from .equivalence_terms import Terms, TooLarge, WeightBlock
from .equivalence_weights import Made, weight_map

if TYPE_CHECKING:
    from ..emit.counterexample import Counterexample


@dataclass(frozen=True, slots=True)
class Equivalence:
    """What is proved of two architectures, A (`before`) and B (`after`).

    `verdict` is

    - "equal": for all weights of A, B computes the same with the weights that `weights` makes of them, and the map goes
      both ways: entries correspond one to one, those left out that nothing is computed from. So it is in evaluation, at
      all sizes that both take (`sizes` says which were fixed), up to rounding. `training` says whether it is so in
      training mode too: outputs with what is drawn at random, gradients and running statistics.
    - "different": there are weights of one for which no weights of the other compute the same. `reason` says why.
    - "undecided": neither is proved.

    `by_name` is about the same checkpoint in both, where both have tensors of the same names and shapes: True if they
    compute the same with it, False if `counterexample` shows that they do not, None where nothing is known.
    `made` says of each tensor of B which of A it is; `notes` what else there is to know.
    `parted` names layers of both where their expressions part. With `folded` the proof is about both with batch norms
    folded into the layers before them, and `made` is about the tensors that they have then.
    """

    before: Graph
    after: Graph
    sizes: dict[str, int]
    verdict: str
    reason: str
    training: bool = False
    by_name: bool | None = None
    weights: WeightMap | None = None
    made: tuple[Made, ...] = ()
    notes: tuple[str, ...] = ()
    parted: tuple[str, str] | None = None
    folded: bool = False
    counterexample: Counterexample | None = None

    def __repr__(self) -> str:
        return f"<Equivalence of {self.before.name} and {self.after.name}: {self.verdict}, {self.reason}>"

    def __bool__(self) -> bool:
        """Whether they are proved equal."""
        return self.verdict == "equal"

    @property
    def layers(self) -> int:
        """How many there are in both."""
        return len(self.before.nodes) + len(self.after.nodes)

    @property
    def namesakes(self) -> bool:
        """Whether a checkpoint of one has the names and shapes of the other's."""
        return self.before.tensor_shapes() == self.after.tensor_shapes()

    @property
    def settled(self) -> bool:
        """Whether running the two could show nothing more."""
        open_names = self.by_name is None and self.namesakes
        return self.verdict == "different" or (self.verdict == "equal" and not open_names)


def equivalence(before: Graph, after: Graph, sizes: dict[str, int] | None = None, training: bool = True) -> Equivalence:
    """Compares by interface and by normal form; both without running anything.

    `sizes` fixes symbols of the inputs, by A's names; others are compared at all sizes. With `training` it is also said
    whether they are equal there. Raises ValueError for symbols that neither has, and for sizes that one does not take.
    """
    fixed = dict(sizes or {})
    named = renaming(before, after)
    sides = {name: size for name, size in fixed.items() if name in before.nominal or name not in named.values()}
    others = {name: fixed[known] for name, known in named.items() if known in fixed}
    checked_sizes(before, sides)
    checked_sizes(after, others)
    return _Comparison(before, after, fixed, sized(before, sides), sized(after, others)).run(training)


def renaming(before: Graph, after: Graph) -> dict[str, str]:
    """B's symbols of sizes as A calls them: by where they stand in the inputs."""
    pairs: dict[str, str] = {}
    for one, other in zip(before.inputs, after.inputs, strict=False):
        for dim, counterpart in zip(one.type.dims, other.type.dims, strict=False):
            for name, own in zip(sorted(symbols(dim)), sorted(symbols(counterpart)), strict=False):
                pairs.setdefault(own, name)
    for name in after.nominal:
        pairs.setdefault(name, name)
    return pairs


@dataclass(slots=True)
class _Proof:
    """A matching that succeeded, or the layers where the two part, and which weights have no counterparts."""

    matching: Matching | None
    parted: tuple[str, str] | None = None
    conflict: str = ""


class _Comparison:
    def __init__(self, before: Graph, after: Graph, sizes: dict[str, int], one: Graph, other: Graph):
        self.before = before
        self.after = after
        self.sizes = sizes
        self.graphs = one, other
        self.tensors: tuple[dict[int, OwnTensors], dict[int, OwnTensors]] = {}, {}
        self.alike = one is other or one.tensor_shapes() == other.tensor_shapes()
        self.renamed = {own: symbol(name) for own, name in renaming(one, other).items()}

    def run(self, in_training: bool) -> Equivalence:
        reason, certain = self._interface()
        if reason:
            return self._result("different" if certain else "undecided", reason)
        try:
            proof, by_name = self._proved(training=False)
        except TooLarge as place:
            return self._result("undecided", f"they are too large to be compared as expressions{place}")
        if proof.matching is None:
            notes = (proof.conflict,) if proof.conflict else ()
            return self._result("undecided", "no rule makes one of the other", parted=proof.parted, notes=notes)
        untried = self._untried() if in_training else ""
        wished = in_training and not untried
        try:
            training, named = self._proved(training=True, by_name=by_name) if wished else (None, by_name)
        except TooLarge as place:
            training, named, untried = None, by_name, f"they are too large there{place}"
        if training is not None and training.matching is not None and named != by_name:
            training = None
        best = training.matching if training is not None and training.matching is not None else proof.matching
        weights, made = weight_map(self.before, self.after, best.weights)
        return self._result(
            "equal",
            "they are the same expressions of their weights",
            training=best is not proof.matching,
            by_name=True if by_name else None,
            weights=weights,
            made=made,
            notes=(*([f"training is not compared, as {untried}"] if untried else _apart_in(training)), *self._notes()),
        )

    def _result(self, verdict: str, reason: str, **more: Any) -> Equivalence:
        return Equivalence(self.before, self.after, self.sizes, verdict, reason, **more)

    # --- by normal form ----------------------------------------------------------------------------

    def _untried(self) -> str:
        """Why there is no proof in training mode, if there is none."""
        for node in (node for graph in self.graphs for node in graph.nodes):
            if isinstance(node.op, Extern):
                return f"`{node.path}` is code of the host, which may do anything there"
            if node.owner != node.index and hasattr(node.op, "track"):
                return f"`{node.path}` is shared, and its statistics depend on the order of what updates them"
        outputs = ([(o.name, len(o.values), o.when_training) for o in g.outputs] for g in (self.before, self.after))
        if next(outputs) != next(outputs):
            return "the outputs have other names, stand in another order, or are for training in one alone"
        return ""

    def _proved(self, training: bool, by_name: bool | None = None) -> tuple[_Proof, bool]:
        """A proof, and whether it is one with each tensor as its namesake."""
        terms = Terms()
        readings = [
            Reading(graph, side, terms, training, self.tensors[graph is self.graphs[1]])
            for side, graph in enumerate(self.graphs)
        ]
        for reading in readings:
            reading.run()
        pairs = list(self._outputs(readings, training))
        parted = next((p for a, b in pairs if (p := _parted(terms, readings, a, b)) is not None), None)
        if parted is not None:
            return _Proof(None, parted), False
        if self.alike and by_name is not False:
            matching = Matching(terms, names=True)
            if matching.identify(_namesakes(terms)) and matching.match(pairs):
                return _Proof(matching), True
        tried = [Matching(terms, names, columns) for columns in (False, True) for names in (True, False)]
        matching = next((matching for matching in tried if matching.match(pairs)), None)
        if matching is not None:
            return _Proof(matching), False
        failed = tried[0]
        assert failed.stopped is not None
        one, other = (reading.place(e) for reading, e in zip(readings, failed.stopped, strict=True))
        return _Proof(None, (one, other), failed.conflict), False

    def _outputs(self, readings: list[Reading], training: bool) -> Iterator[tuple[int, int]]:
        """Pairs of expressions that must be equal."""
        for one, other in zip(*(wanted(graph, training) for graph in self.graphs), strict=True):
            for a, b in zip(one.values, other.values, strict=True):
                yield from readings[0].terms.aligned([readings[0].parts[a], readings[1].parts[b]])  # type: ignore[misc]

    # --- inputs and outputs ------------------------------------------------------------------------

    def _interface(self) -> tuple[str, bool]:
        """What the two take or give that the other does not, if anything, and whether that is certain."""
        one, other = self.graphs
        if len(one.inputs) != len(other.inputs):
            return f"they take {len(one.inputs)} and {len(other.inputs)} inputs", True
        merged = len(set(map(str, self.renamed.values()))) < len(self.renamed)
        for a, b in zip(one.inputs, other.inputs, strict=True):
            if merged or not self._alike(a.type, b.type):
                what = f"they take other inputs: {a.name} {a.type} and {b.name} {b.type}"
                return what + self._where_alike(), True
        outputs = [list(wanted(graph, False)) for graph in self.graphs]
        counts = [[len(output.values) for output in side] for side in outputs]
        if counts[0] != counts[1]:
            return f"they put out {sum(counts[0])} and {sum(counts[1])} tensors", True
        names = [[output.name for output in side] for side in outputs]
        if len(outputs[0]) > 1 and names[0] != names[1]:
            return f"their outputs have other names: {_words(names[0])} and {_words(names[1])}", True
        for a, b in zip(*([v for output in side for v in output.values] for side in outputs), strict=True):
            types = one.type_of(a), other.type_of(b)
            if not self._alike(*types):
                return self._shapes(*types)
        return "", True

    def _where_alike(self) -> str:
        """How to compare them at the sizes that one of them leaves open and the other fixes, where there are such."""
        sizes: dict[str, int] = {}
        for a, b in zip(*(graph.inputs for graph in self.graphs), strict=True):
            for one, other in zip(a.type.dims, b.type.dims, strict=False):
                for dim, fixed in ((one, other), (other, one)):
                    if isinstance(dim, Size) and dim.name is not None and isinstance(fixed, int):
                        sizes[dim.name] = fixed
        asked = ",".join(f"{name}={size}" for name, size in sizes.items())
        return (
            f"; `--size {asked}` compares them there, in Python `a.equivalent(b, {asked})`"
            if sizes and not self.sizes
            else ""
        )

    def _alike(self, a: TensorType, b: TensorType) -> bool:
        if a.rank != b.rank or a.dtype != b.dtype:
            return False
        return all(map(self.graphs[0].requirements.certainly_equal, a.dims, self._own(b.dims)))

    def _own(self, dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        """Sizes of B in A's symbols."""
        return tuple(substitute(dim, self.renamed) for dim in dims)

    def _shapes(self, a: TensorType, b: TensorType) -> tuple[str, bool]:
        """What is said of outputs that are not proved to have the same shape."""
        if a.rank != b.rank or a.dtype != b.dtype:
            return f"their outputs are {a} and {b}", True
        one, other = self.graphs
        back = {str(name): own for own, name in self.renamed.items()}
        for factor in (1, 2, 3, 4):
            sizes = {name: size * factor for name, size in one.nominal.items()}
            own = {back.get(name, name): size for name, size in sizes.items()}
            if one.requirements.violations(sizes) or not other.nominal.keys() <= own.keys():
                continue
            if not other.requirements.violations({name: own[name] for name in other.nominal}):
                shapes = concrete(a.dims, sizes), concrete(self._own(b.dims), sizes)
                if shapes[0] != shapes[1]:
                    where = ", ".join(f"{name} = {size}" for name, size in sizes.items())
                    return f"their outputs are {list(shapes[0])} and {list(shapes[1])} at {where}", True
        return f"their outputs, {a} and {b}, are not proved to have the same shape", False

    def _notes(self) -> Iterator[str]:
        """Sizes that one takes and the other does not."""
        spelled = {own: str(name) for own, name in self.renamed.items()}
        texts = []
        for graph, names in ((self.before, {}), (self.after, spelled)):
            found = [text for text in graph.requirements.describe() if not self.sizes]
            texts.append([re.sub(r"\b[A-Za-z_]\w*\b", lambda m, n=names: n.get(m[0], m[0]), text) for text in found])
        for graph, own, other in ((self.before, *texts), (self.after, *reversed(texts))):
            alone = [text for text in own if text not in other]
            if alone:
                yield f"only {graph.name} states that it needs {', '.join(alone)}"


def _apart_in(training: _Proof | None) -> list[str]:
    """Where the proof in training mode stopped, if there is none."""
    if training is None or training.parted is None:
        return []
    one, other = training.parted
    return [f"in training they part at {one} and {other}{training.conflict and f': {training.conflict}'}"]


def wanted(graph: Graph, training: bool) -> list[GraphOutput]:
    """The outputs that there are in a mode; several by name."""
    found = [output for output in graph.outputs if training or not output.when_training]
    return sorted(found, key=lambda output: output.name or "out")


def _words(names: Iterable[str | None]) -> str:
    return ", ".join(name or "out" for name in names)


def _namesakes(terms: Terms) -> list[tuple[WeightBlock, WeightBlock]]:
    """The tensors of both by name."""
    numbers: dict[str, list[int]] = {}
    for number, own in enumerate(terms.symbols):
        if not own.noise:
            numbers.setdefault(own.name, []).append(number)
    pairs = [tuple(map(terms.whole, found)) for found in numbers.values() if len(found) == 2]
    return [(a, b) for a, b in pairs]


# --- where two part -----------------------------------------------------------------------------------


def _parted(terms: Terms, readings: list[Reading], a: int, b: int) -> tuple[str, str] | None:
    """The layers nearest the inputs at which two expressions of different kinds part; None where they are of one."""
    if terms.kinds[a] == terms.kinds[b] and terms.width[a] == terms.width[b]:
        return None
    while (inner := _inner(terms, a, b)) is not None:
        a, b = inner
    return readings[0].place(a), readings[1].place(b)


def _inner(terms: Terms, a: int, b: int) -> tuple[int, int] | None:
    """Within two that differ, the first expressions that do."""
    one, other = terms.forms[a], terms.forms[b]
    if one.rule != other.rule:
        return None
    pair: tuple[int, int] | None = None
    if one.rule == "map" and one.label == other.label:
        pair = one.tensors[0][0], other.tensors[0][0]
    elif one.rule == "sum":
        marked = [[((factor, terms.kind_of(t)), _source(t)) for factor, t in form.terms] for form in (one, other)]
        common = {mark for mark, _ in marked[0]} & {mark for mark, _ in marked[1]}
        firsts = [min((source for mark, source in side if mark not in common), default=-1) for side in marked]
        pair = (firsts[0], firsts[1]) if min(firsts) >= 0 else None
    return pair if pair is not None and terms.kinds[pair[0]] != terms.kinds[pair[1]] else None


def _source(term: Any) -> int:
    """The expression that a term is made of."""
    return term if isinstance(term, int) else getattr(term, "source", 0)
