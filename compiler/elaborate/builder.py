"""Makes nodes: infers their types, names them, and shares what is shared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ...dsl.diagnostics import Diagnostics, Fault, Poisoned, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.limits import LIMITS, higher
from ...dsl.source import Span
from ..ir.graph import Graph, Node, Origin, Scope
from ..ir.op import LayerError, OfInput, Op
from ..ir.types import TensorType
from ..ops.inference import Inference, misfit
from .explain import arrivals, joined, parted, shortened, shrunk
from .module_names import OpenScope, check_segment, claim, numbered_twice, provisional, settle
from .suggestions import Compared
from .values import Label, Pending, Tensor, Tensors, one

if TYPE_CHECKING:
    from .sharing import Account, Shared


_TYPE = attrgetter("type")
_VALUE = attrgetter("node", "port")


@dataclass(slots=True, eq=False)
class Virtual:
    """A label or a numbered place around an expression that may or may not apply something."""

    pending: Pending
    scope: OpenScope | None = None
    outer: OpenScope | None = None
    first_node: int = 0


class Builder(Inference):
    """The graph under construction, and where in it we stand."""

    def __init__(self, name: str, here: Span):
        self.root = OpenScope("", None)
        super().__init__(Graph(name, root=self.root))
        self.diagnostics = Diagnostics()
        self.compared = Compared()
        self.scope = self.root
        self.scopes: list[OpenScope] = [self.root]
        self.origin: Origin | None = None
        self.here = here
        self.frozen = False
        self.recompute: object | None = None
        self.recordings: list[Shared] = []
        self.accounts: list[Account] = []
        self.replays: list[tuple[Shared, list[int]]] = []
        self.virtuals: list[Virtual] = []
        self.misfits: list[tuple[Op, tuple[Tensor, ...]]] = []
        self.unopened = 0
        self.edges = 0
        self.passed_on = 0
        self.events = 0
        self._looked_at = 0
        self._last_owner = -1

    # --- nodes -----------------------------------------------------------------------------

    def add(self, op: Op, inputs: tuple[Tensor, ...], span: Span | None, pending: Pending = None) -> tuple[Tensor, ...]:
        """Applies an op to tensors. Raises a Fault where they do not fit, or a limit is met."""
        if self.unopened:
            self.open_virtuals()
        if op.needs_fixed_vector:
            inputs = tuple(map(self._fixed_vector, inputs))
        if not inputs if op.arity is None else len(inputs) != op.arity or op.tensor_parameters:
            self._check_arity(op, inputs, span)
        try:
            outputs = self.infer(op, tuple(map(_TYPE, inputs)))
        except LayerError as error:
            self.misfits.append((op, inputs))
            raise self._refusal(error, inputs, span) from None
        return self.append(op, inputs, outputs, span, pending)

    def append(
        self,
        op: Op,
        inputs: tuple[Tensor, ...],
        outputs: tuple[TensorType, ...],
        span: Span | None,
        pending: Pending = None,
    ) -> tuple[Tensor, ...]:
        """The same, with output types that are already known."""
        index = len(self.nodes)
        if index >= LIMITS.nodes:
            raise _too_many("nodes", LIMITS.nodes, span)
        self.edges += len(inputs)
        if self.edges > LIMITS.edges:
            raise _too_many("edges", LIMITS.edges, span)
        taken = tuple(map(_VALUE, inputs))
        node = Node(index, op, taken, outputs, self.scope, "", index, self.origin, span, self.frozen, self.recompute)
        if self.replays:
            self._replay(node)
        elif op.is_module:
            self._name(node, pending)
        self.passed_on += self.scope.toll
        for shared in self.recordings:
            shared.events.append(node)
        self.events += 1
        self.nodes.append(node)
        if len(outputs) == 1:
            return (Tensor(index, 0, outputs[0]),)
        return tuple([Tensor(index, port, type_) for port, type_ in enumerate(outputs)])

    def name_tensor(self, value: Any, name: str) -> None:
        """Notes what the body at hand calls a value, if that is a tensor."""
        value = one(value)
        if isinstance(value, Tensor):
            self.nodes[value.node].call(value.port, name, self.origin)

    def enter(self, inputs: Tensors) -> None:
        """Notes the order in which the instantiation at hand gets several tensors."""
        for place, tensor in enumerate(inputs if len(inputs) > 1 else ()):
            self.nodes[tensor.node].put_in(tensor.port, self.origin, place)

    def leave(self, outputs: Tensors) -> None:
        """Notes the order in which the instantiation at hand puts its tensors out."""
        for place, tensor in enumerate(outputs):
            self.nodes[tensor.node].put_out(tensor.port, self.origin, place)

    def owns_tensors(self, first: int) -> bool:
        """Whether a node has parameters or buffers, of those from number `first` on."""
        for index in range(len(self.nodes) - 1, self._looked_at - 1, -1):
            node = self.nodes[index]
            if node.op.has_weights and any(node.op.weights(tuple([self.graph.type_of(v) for v in node.inputs]))):
                self._last_owner = index
                break
        self._looked_at = len(self.nodes)
        return self._last_owner >= first

    def _fixed_vector(self, tensor: Tensor) -> Tensor:
        """The tensor, a vector with its length at the usual sizes."""
        type_ = self.fixed_vector((tensor.node, tensor.port))
        return tensor if type_ is tensor.type else Tensor(tensor.node, tensor.port, type_)

    def _check_arity(self, op: Op, inputs: tuple[Tensor, ...], span: Span | None) -> None:
        message = misfit(op, len(inputs))
        if message is None:
            return
        hints = ()
        if not inputs:
            hints = ("an empty list has no branch; `if len(fs) > 0 then concat(*fs) else id` passes the input on",)
        elif op.arity == 1 and len(inputs) > 1:
            hints = (
                f"`each({op.kind}...)` applies it to every one of them",
                "`sum`, `mean`, `max` or `concat` merges them into one",
            )
        raise fault("E0301", message, span, *hints, labels=self._branches(inputs))

    def _refusal(self, error: LayerError, inputs: tuple[Tensor, ...], span: Span | None) -> Fault:
        labels, hints = self._branches(inputs), error.hints
        if all(self.nodes[tensor.node].inputs for tensor in inputs):
            hints = tuple([hint for hint in hints if not isinstance(hint, OfInput)])
        if len(inputs) == 1:
            labels = shrunk(self.graph, inputs[0]) if error.code == "E0404" else ()
            hints = ("take fewer of the strides and pools before this layer", *hints) if labels else hints
        elif error.code == "E0405":
            labels = joined((*labels, *parted(self.graph, inputs)))
        return fault(error.code, str(error), span, *hints, labels=labels)

    def _branches(self, inputs: tuple[Tensor, ...]) -> tuple[Note, ...]:
        notes = []
        for number, tensor in enumerate(inputs, 1):
            span = self.nodes[tensor.node].span
            if span is not None:
                notes.append(Note(span, f"input {number} comes from here, with shape {tensor.type}"))
        return tuple(notes)

    # --- names -----------------------------------------------------------------------------

    def _name(self, node: Node, pending: Pending) -> None:
        if pending is None:
            self.scope.children[provisional(node)] = node
        elif isinstance(pending, int):
            node.name = name = str(pending)
            if self.scope.children.setdefault(name, node) is not node:
                raise self._taken(name, node.span)
        else:
            scope = self.descend(pending)
            node.scope = scope
            node.name = claim(scope, self._last(pending), pending.span)
            scope.children[node.name] = node

    def descend(self, label: Label) -> OpenScope:
        """The scope of all but the last segment, opened as needed."""
        scope = self.scope
        for segment in label.segments[:-1]:
            check_segment(segment, label.span)
            child = scope.children.get(segment)
            if child is None:
                child = self._child(scope, segment)
                scope.written[segment] = label.span
            if not isinstance(child, OpenScope):
                message = f"`{segment}` already names a layer, so it cannot hold others"
                notes = (Note(scope.written[segment], "the layer"),) if segment in scope.written else ()
                raise fault("E0504", message, label.span, "rename one of the two", labels=notes)
            scope = child
        return scope

    def _taken(self, name: str, span: Span | None) -> Fault:
        """The Fault where a label took the name of an element, which is its number."""
        return numbered_twice(self.scope, name, span or self.scope.written.get(name))

    def _last(self, label: Label) -> str:
        check_segment(label.segments[-1], label.span)
        return label.segments[-1]

    def _child(self, scope: OpenScope, name: str) -> OpenScope:
        child = OpenScope(name, scope)
        self.passed_on += child.toll
        scope.children[name] = child
        self.scopes.append(child)
        return child

    def number(self) -> int:
        """The next number of the current scope."""
        if self.replays:
            return 0
        if self.unopened:
            self.open_virtuals()
        self.scope.counter += 1
        return self.scope.counter - 1

    def open(self, pending: Label | int) -> OpenScope:
        """Opens and enters a scope. `close` leaves it."""
        self.events += 1
        if self.unopened:
            self.open_virtuals()
        if self.replays:
            scope = self._next_event()
            if not isinstance(scope, OpenScope):
                raise self._differs(None)
        elif isinstance(pending, int):
            if (name := str(pending)) in self.scope.children:
                raise self._taken(name, None)
            scope = self._child(self.scope, name)
        else:
            outer = self.descend(pending)
            scope = self._child(outer, claim(outer, self._last(pending), pending.span))
        for shared in self.recordings:
            shared.events.append(scope)
        self.scope = scope
        return scope

    def close(self, scope: OpenScope, outer: OpenScope, first_node: int) -> None:
        """Leaves a scope for `outer`. One that holds a single layer and nothing else gives that layer its name."""
        self.scope = outer
        if self.replays:
            return
        holder = scope.parent
        assert holder is not None
        if not scope.children and holder.children.get(scope.name) is scope:
            del holder.children[scope.name]
            return
        if len(self.nodes) != first_node + 1:
            return
        node = self.nodes[first_node]
        if provisional(node) in scope.children and len(scope.children) == 1:
            node.scope, node.name = holder, scope.name
            scope.children.clear()
            holder.children[scope.name] = node

    # --- labels around expressions ----------------------------------------------------------

    def enter_virtual(self, pending: Pending) -> Virtual:
        """Says that what is applied until `leave_virtual` belongs under a label; for None, under the next number."""
        virtual = Virtual(pending)
        self.virtuals.append(virtual)
        self.unopened += 1
        return virtual

    def leave_virtual(self, virtual: Virtual) -> None:
        self.virtuals.pop()
        if virtual.scope is None:
            self.unopened -= 1
        else:
            assert virtual.outer is not None
            self._entitle(virtual.scope, self.nodes[virtual.first_node :])
            self.close(virtual.scope, virtual.outer, virtual.first_node)

    def _entitle(self, scope: OpenScope, nodes: list[Node]) -> None:
        """A label around the one call of a block on tensors, `a: unit(8)(x, y)`, says where the block stands."""
        calls: set[Origin | None] = set()
        for node in nodes:
            call = node.origin
            while call is not None and call is not self.origin and call.caller is not self.origin:
                call = call.caller
            calls.add(None if call is self.origin else call)
        call = calls.pop() if len(calls) == 1 else None
        inner = [child.arguments for child in scope.children.values() if isinstance(child, Scope)]
        if call is not None and not any(arguments is call.arguments for arguments in inner):
            scope.block, scope.arguments = call.block, call.arguments

    def open_virtuals(self) -> None:
        """Opens the scopes of the labels around us, now that something is applied there."""
        self.unopened = 0
        for virtual in self.virtuals:
            if virtual.scope is None:
                virtual.outer = self.scope
                virtual.first_node = len(self.nodes)
                pending = self.number() if virtual.pending is None else virtual.pending
                virtual.scope = self.open(pending)

    # --- sharing ---------------------------------------------------------------------------

    def _next_event(self) -> Scope | Node:
        event: Scope | Node | None = None
        for shared, position in self.replays:
            if position[0] >= len(shared.events):
                raise self._differs(None)
            event = shared.events[position[0]]
            position[0] += 1
        assert event is not None
        return event

    def _replay(self, node: Node) -> None:
        event = self._next_event()
        if not isinstance(event, Node) or (event.op is not node.op and event.op.key != node.op.key):
            raise self._differs(None)
        types = tuple(self.graph.type_of(v) for v in node.inputs)
        first = tuple(self.graph.type_of(v) for v in event.inputs)
        if types != first and list(event.op.weights(first)) != list(node.op.weights(types)):
            raise self._differs(arrivals(node, first, types))
        node.owner = event.owner

    def _differs(self, why: str | None) -> Fault:
        shared = self.replays[-1][0]
        here = self.here
        labels = [Note(shared.span, "shared from here on")]
        if shared.first_applied is not None and shared.first_applied != here:
            labels.append(Note(shared.first_applied, "first applied here, which fixes the shapes of its parameters"))
        return fault(
            "E0507",
            f"`{shared.name}` is shared, and does not fit here: {why or 'its parts would be others than at first'}",
            here,
            "bring both inputs to the same channels, or write a `block`, which has new parameters at every application",
            labels=tuple(labels),
        )

    # --- the end ---------------------------------------------------------------------------

    def report(self, problem: Fault) -> None:
        """Keeps a diagnostic, with the instantiations that led to it."""
        if isinstance(problem, Poisoned):
            return
        found = problem.diagnostic
        origin = problem.origin if isinstance(problem.origin, Origin) else self.origin
        chain = []
        if origin is not None and origin.span == found.span:
            origin = origin.caller
        while origin is not None and origin.span is not None:
            chain.append(Note(origin.span, f"in {origin}"))
            origin = origin.caller
        if chain and not found.chain:
            found = replace(found, chain=shortened(chain))
        self.diagnostics.add(found)

    def finish(self) -> Graph:
        """The graph, with every name settled."""
        self.graph.drop_empty_scopes()
        for scope in reversed(self.scopes):
            for problem in settle(scope, self.compared):
                self.report(problem)
        for node in self.nodes:
            if node.owner != node.index:
                owner = self.nodes[node.owner]
                node.scope, node.name = owner.scope, owner.name
        return self.graph


def _too_many(what: str, limit: int, span: Span | None) -> Fault:
    """The Fault of a network with more nodes or edges than there may be."""
    code = "E0912" if what == "nodes" else "E0913"
    hint = "a power or a recursion may repeat more than was meant: the count multiplies at every level"
    return fault(code, f"the network has more than {limit:,} {what}", span, hint, *higher(what))
