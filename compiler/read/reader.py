"""Goes through an exported module, and makes a node of each of its calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx, nn

from ..elaborate.declared import input_type
from ..elaborate.inputs import declare
from ..ir.graph import Graph, Node, Value
from ..ir.op import LayerError, Op
from ..ir.sizes import Dim, symbol
from ..ir.types import TensorType
from ..ops.build import ArgumentError, build_op
from ..ops.core import Input
from ..ops.given import with_weights
from ..ops.inference import Inference
from ..ops.registry import lookup_kind
from . import constants
from .again import PART
from .inlining import region_of
from .masks import masking, read_mask
from .overwriting import overwrite, overwrites
from .readings import as_taken
from .start import dtype_of, shortest, start_of_own
from .trace import State, Trace, first_paths
from .unsayable import Missing, Poisoned, Unsayable, handled
from .untraceable import line_of
from .values import Moved, Place, function_name, is_given, is_tensor, is_value, moved, shape_of, unmoved

if TYPE_CHECKING:
    from .hosts import Hosts


@dataclass(slots=True)
class Call:
    """A call of a function of torch's, its arguments by name. Tensors are a `Value` or a `State`; sizes are numbers.

    `batch` is the axis where torch has the batch of the tensors, and in the end that where it has that of the result.
    """

    reader: Reader
    node: fx.Node
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    batch: int = 0

    def __getitem__(self, name: str) -> Any:
        return self.arguments.get(name)

    def value(self, name: str = "self") -> Value:
        """An argument that is a tensor."""
        given = self[name] if name in self.arguments else next(iter(self.arguments.values()))
        return self.reader.tensor(given)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the result."""
        return shape_of(self.node)

    def axis(self, axis: int, rank: int | None = None) -> int:
        """Which axis of the graph's tensor an axis of torch's is, in a tensor as the first argument unless told."""
        axis %= rank or self.type().rank
        return 0 if axis == self.batch else axis + (axis < self.batch)

    @property
    def alone(self) -> bool:
        """Whether nothing else uses the first argument."""
        return len(self.node.all_input_nodes[0].users) == 1

    def type(self, name: str = "self") -> TensorType:
        return self.reader.graph.type_of(self.value(name))

    def make(self, kind: str, *inputs: Value, **settings: Any) -> Value:
        """A node of this kind, of the call's first tensor unless told."""
        return self.reader.apply(kind, inputs or (self.value(),), settings, None)[0]

    def size(self, name: str) -> tuple[int, ...]:
        """The sizes of an argument that has no batch."""
        given = self[name]
        if isinstance(given, State):
            return tuple(given.tensor.shape)
        return tuple(map(self.reader.traced, self.reader.graph.type_of(self.reader.tensor(given)).dims))

    def layer(self, kind: str, weights: State | None, *inputs: Value, **settings: Any) -> Value:
        """The same, of a layer with weights, by the first of these."""
        return self.reader.apply(kind, inputs, settings, weights)[0]


class Reader(Inference):
    """The graph under construction. `places` has what is known of where each node stands, by its index."""

    def __init__(self, name: str, module: nn.Module, trace: Trace, hosts: Hosts | None = None):
        super().__init__(Graph(name))
        self.module = module
        self.hosts = hosts
        self.trace = trace
        self.modules = dict(module.named_modules())
        self._first = first_paths(module)
        self.values: dict[fx.Node, Any] = {}
        self.places: dict[int, Place] = {}
        self.missing: list[Missing] = []
        self.sizes: dict[str, int] = {}
        """What the open sizes were when the module was exported."""
        self.arrived: dict[TensorType, Value] = {}
        """The latest tensor of real numbers of each type, in their order."""
        self.parted: dict[fx.Node, tuple[Value, ...]] = {}
        self.ways: dict[Any, dict[int, Any]] = {}
        self._owners: dict[str, int] = {}
        self._parameters: dict[tuple[str, ...], Value] = {}
        self._stack: list[tuple[str, str]] = []
        self._part: object | None = None
        self._functions: Callable[[str], Any] = lambda _: None
        users = {state.name: {user.target for user in node.users} for node, state in trace.state.items()}
        held = Counter(id(tensor) for part in module.modules() for tensor in part.parameters(recurse=False))
        names = {name for name, tensor in module.named_parameters() if held[id(tensor)] > 1}
        self._tied = names | {name for name, targets in users.items() if len(targets) > 1}

    def add_inputs(self, inputs: Sequence[tuple[str, str, Sequence[int | str]]]) -> None:
        """Declares the inputs: the name of each, the language's word for what it holds, and its sizes, of which those
        with a name are open. Raises a Fault."""
        for node, (name, word, sizes) in zip(self.trace.inputs, inputs, strict=True):
            self.sizes |= {s: n for s, n in zip(sizes, shape_of(node), strict=True) if isinstance(s, str)}
            type_ = self.intern(input_type([symbol(s) if isinstance(s, str) else s for s in sizes], word, None))
            declare(self.graph, name, type_, None)
            self.values[node] = self._append(Input(name=name), (), (type_,))[0]

    def traced(self, size: Dim) -> int:
        """The number that a size was when the module was exported."""
        return size if isinstance(size, int) else size.evaluate(self.sizes)

    def _hold(self, node: fx.Node, made: Any) -> None:
        """Raises Unsayable where what was made has another shape than in torch. A parameter that is repeated for the
        batch has none yet: what it meets repeats it."""
        batch = made.batch if isinstance(made, Moved) else 0
        made = made.value if isinstance(made, Moved) else made
        if is_value(made):
            type_, shape = self.graph.type_of(made), shape_of(node)
            shape = (*shape[batch : batch + 1], *shape[:batch], *shape[batch + 1 :])
            dims, first = type_.dims, int(bool(type_.dims) and not type_.has_batch)
            if len(dims) != len(shape) or tuple(map(self.traced, dims[first:])) != shape[first:]:
                raise Unsayable(f"a shape {list(shape)}, where the layer makes [{', '.join(map(str, dims))}]")

    def read(self, functions: Callable[[str], Any], leaves: Callable[[nn.Module], Any]) -> None:
        """Makes the nodes. Calls that have no counterpart are listed in `missing`."""
        self._functions = functions
        for name, node in self._unknown(functions, leaves):
            self.missing.append(Missing(f"`{name}`", self.holder(node), line_of(node)))
        nodes, at = self.trace.nodes, 0
        while at < len(nodes):
            self._stack, self._part = self.stack_of(nodes[at]), nodes[at].meta.get(PART)
            leaf = self._leaf(nodes[at], leaves)
            end = at + 1
            while leaf is not None and end < len(nodes) and leaf in self.stack_of(nodes[end]):
                end += 1
            try:
                if leaf is not None and self._is_host(leaf):
                    self._read_host(leaf, nodes[at:end])
                elif leaf is not None:
                    self._read_leaf(leaf, nodes[at:end], leaves(self.modules[leaf[0]]))
                else:
                    self._read_function(nodes[at], functions)
            except Poisoned:
                pass
            except Unsayable as error:
                self.missing.append(Missing(str(error), self.holder(nodes[at]), line_of(nodes[at])))
            at = end
        for _, node in self.trace.outputs:
            if isinstance(moved := self.values.get(node), Moved):
                what = f"an output whose batch is axis {moved.batch}"
                self.missing.append(Missing(what, self.holder(node), line_of(node)))

    def _unknown(self, functions: Callable[[str], Any], leaves: Callable[[nn.Module], Any]) -> Any:
        for node in self.trace.nodes:
            name = region_of(node) or function_name(node)
            if name is not None and functions(name) is None and self._leaf(node, leaves) is None:
                yield name, node

    def stack_of(self, node: fx.Node) -> list[tuple[str, str]]:
        """The modules in whose forward a node stands, outermost first: the first path of each, and a name of a call."""
        stack = node.meta.get("nn_module_stack") or {}
        return [(str(self._first.get(path, path)), call) for call, (path, _) in stack.items()]

    def holder(self, node: fx.Node) -> str:
        return next((path for path, _ in reversed(self.stack_of(node))), "")

    def _leaf(self, node: fx.Node, leaves: Callable[[nn.Module], Any]) -> tuple[str, str] | None:
        """The call of the outermost module around a node that is one layer."""
        calls = [call for call in self.stack_of(node) if call[0] in self.modules]
        return next((call for call in calls if self._is_host(call) or leaves(self.modules[call[0]])), None)

    def _is_host(self, call: tuple[str, str]) -> bool:
        return self.hosts is not None and call[0] in self.hosts.known

    def _read_host(self, call: tuple[str, str], nodes: list[fx.Node]) -> None:
        """One layer of the host for all that a module computes."""
        assert self.hosts is not None
        self._stack = self._stack[: self._stack.index(call) + 1]
        out, made = self.hosts.read(self, call, nodes)
        self._hold(out, made)
        self.values[out] = made

    def _read_leaf(self, leaf: tuple[str, str], nodes: list[fx.Node], make: Any) -> None:
        """One layer for all that a module computes. What comes in are the tensors made before, in order."""
        inside, masked = {*nodes}, masking(nodes)
        around, self._stack = self._stack, self._stack[: self._stack.index(leaf)]
        for node in masked.calls:
            self._read_function(node, self._functions)
        masks = read_mask(self, masked, leaf[0])
        layer = [node for node in nodes if node not in masked.calls]
        known = {*nodes, masked.mask}
        taken = (a for n in layer for a in n.all_input_nodes if a not in known and is_tensor(self.values.get(a)))
        inputs = [self.tensor(self.values[a]) for a in dict.fromkeys(taken)]
        if any(self.values.get(a, self) is self for n in nodes for a in n.all_input_nodes if self._is_lost(a, inside)):
            raise Poisoned
        out = [
            n for n in nodes if any(user not in inside for user in n.users) and isinstance(n.meta.get("val"), Tensor)
        ]
        self._stack = around[: around.index(leaf) + 1]
        made = make(self, leaf[0], inputs, *masks)
        if len(out) != 1:
            raise Unsayable(f"{len(out)} results of `{type(self.modules[leaf[0]]).__name__}`")
        self._hold(out[0], made)
        self.values[out[0]] = made

    def _is_lost(self, node: fx.Node, inside: set[fx.Node]) -> bool:
        known = node in inside or node in self.trace.state
        return not known and node.op == "call_function" and isinstance(node.meta.get("val"), Tensor)

    def _read_function(self, node: fx.Node, functions: Callable[[str], Any]) -> None:
        name = function_name(node)
        if name is None:
            self._read_plain(node)
            return
        if (make := functions(name)) is not None:
            self._call(node, name, make)

    def written(self, node: fx.Node) -> Value | None:
        """What a call of a function makes, or an item of it, None where the language cannot say it."""
        call: Any = node.args[0] if function_name(node) is None else node
        name = function_name(call) or ""
        if (make := self._functions(name)) is not None:
            with suppress(Unsayable):
                if call not in self.values:
                    self._call(call, name, make)
                if call is not node:
                    self._read_plain(node)
                return self.tensor(self.values[node])
        return None

    def own(self, name: str, settings: dict[str, Any]) -> Value:
        """A tensor of the network's own, by its name in the module."""
        key = self._held(name)
        (self._parameters[key],) = self.apply("parameter", (), settings, None, name)
        return self._parameters[key]

    def _held(self, name: str) -> tuple[str, str]:
        """A tensor of the module's, and the call of the part that has it: each call of that has a node of its own."""
        path = name.rpartition(".")[0]
        return name, next((call for around, call in reversed(self._stack) if around == path), "")

    def _call(self, node: fx.Node, name: str, make: Callable[[Call], Any]) -> None:
        call = Call(self, node, name.rstrip("_"), self.bound(node))
        if getattr(make, "follows_batch", False):
            self._place(call)
        made = moved(handled(name, make, call), call.batch)
        self._hold(node, made)
        self.values[node] = made
        if overwrites(node) and is_tensor(made):
            overwrite(self, node, node.args[0], made)

    def _place(self, call: Call) -> None:
        """Finds where the batch of a call's tensors is. Raises Unsayable where they do not agree."""
        meeting = [value for name, value in call.arguments.items() if name not in ("weight", "bias")]
        given = [item for value in meeting for item in (value if isinstance(value, list) else [value])]
        tensors = list(filter(is_given, given))
        places = {item.batch - self._rank(item) for item in tensors if isinstance(item, Moved)}
        if not places:
            return
        (place,) = places if len(places) == 1 else (0,)
        for item in tensors:
            # Counted from the last axis, as tensors meet: what has no batch must end before that of the others.
            if not isinstance(item, Moved) and (self._has_batch(item) or self._rank(item) >= -place):
                place = 0
        if not place:
            raise Unsayable(f"`{call.name}` of tensors whose batches are different axes")
        call.batch = max(item.batch for item in tensors if isinstance(item, Moved))
        call.arguments = {name: unmoved(value) for name, value in call.arguments.items()}

    def _rank(self, given: Any) -> int:
        return given.tensor.dim() if isinstance(given, State) else self.graph.type_of(unmoved(given)).rank

    def _has_batch(self, given: Any) -> bool:
        return not isinstance(given, State) and self.graph.type_of(given).has_batch

    def _read_plain(self, node: fx.Node) -> None:
        """An item of several results; sizes are looked up where they are used."""
        if getattr(node.target, "__name__", "") == "getitem" and isinstance(node.args[0], fx.Node):
            source = self.values.get(node.args[0])
            if source is None:
                raise Poisoned
            if node.args[1] < len(source.values):  # type: ignore[operator]
                self.values[node] = source.values[node.args[1]]  # type: ignore[index]
            elif node.users:
                raise Unsayable(f"result {node.args[1]} of `{node.args[0].target}`")

    def bound(self, node: fx.Node) -> dict[str, Any]:
        """The arguments by name, with defaults."""
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        found = {a.name: a.default_value for a in schema if a.has_default_value()}
        found = {a.name: found.get(a.name) for a in schema}
        found |= {a.name: self._argument(value) for a, value in zip(schema, node.args, strict=False)}
        return found | {name: self._argument(value) for name, value in node.kwargs.items()}

    def _argument(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._argument(item) for item in value]
        if not isinstance(value, fx.Node):
            return value
        if value in self.values:
            return self.values[value]
        if value in self.trace.state:
            state = self.trace.state[value]
            return state if state.kept or state.tensor.dim() else shortest(state.tensor.reshape(1))[0]
        if isinstance(value.meta.get("val"), int | float):
            return value.meta["val"]
        raise Poisoned

    def is_tied(self, state: State) -> bool:
        """Whether several modules or functions have the tensor, as an embedding and what it is tied to."""
        return state.name in self._tied

    def made(self, node: fx.Node) -> Value:
        """The tensor that a node of the trace stands for."""
        return self.tensor(self._argument(node))

    def tensor(self, given: Any) -> Value:
        """A tensor of the graph; a parameter or buffer of the module becomes one."""
        if isinstance(given, State):
            return self._parameter(given)
        if isinstance(given, Moved):
            raise Unsayable(f"a tensor whose batch is axis {given.batch}, where it is wanted first")
        if not is_value(given):
            raise Unsayable(f"{given!r:.60} where a tensor is wanted")
        return given

    def _parameter(self, state: State) -> Value:
        held = self._held(state.name)
        if held not in self._parameters:
            if not state.kept:
                key = state.name, *(call for _, call in self._stack)
                if key not in self._parameters:
                    self._parameters[key] = constants.made(self, state)
                return self._parameters[key]
            settings = {"name": state.own_name, "shape": tuple(state.tensor.shape), "learned": state.learned}
            settings |= {"init": start_of_own(state.tensor, state.learned), "dtype": dtype_of(state.tensor)}
            return self.own(state.name, settings)
        return self._parameters[held]

    def apply(
        self,
        kind: str,
        inputs: Sequence[Value],
        settings: dict[str, Any],
        weights: State | None,
        path: str = "",
        given: dict[str, Value] | None = None,
    ) -> tuple[Value, ...]:
        """Makes a node. `weights` is the first tensor that its layer has, and tells its place; `given` are tensors of
        the network that it has for weights. Raises Unsayable."""
        cls = lookup_kind(kind)
        assert cls is not None, kind
        try:
            op = build_op(cls, [], settings)
            if given:
                op, inputs = with_weights(op, tuple(given)), (*inputs, *given.values())
            inputs, made = as_taken(self, op, tuple(inputs))
        except (ArgumentError, LayerError) as error:
            raise Unsayable(f"`{kind}` here: {error}") from None
        return self._append(op, tuple(inputs), made, path if weights is None else weights.path)

    def _append(
        self, op: Op, inputs: tuple[Value, ...], outputs: tuple[TensorType, ...], path: str = ""
    ) -> tuple[Value, ...]:
        index = len(self.nodes)
        owner = self._owners.setdefault(path, index) if path else index
        node = Node(index, op, inputs, outputs, self.graph.root, "", owner, None, None, False, self._part)
        self.nodes.append(node)
        if owner != index and not self.graph.may_share(node, self.nodes[owner]):
            raise Unsayable(f"`{path}` applied again, as another layer or to other channels")
        self.places[index] = Place(path, list(self._stack))
        if outputs[0].dtype == "float" and not op.is_parameter:
            self.arrived.pop(outputs[0], None)
            self.arrived[outputs[0]] = index, 0
        return tuple([(index, port) for port in range(len(outputs))])

    def again(self, index: int, inputs: tuple[Value, ...]) -> Value:
        """The layer of a node on other tensors, in its place: the node is left out."""
        op, path = self.nodes[index].op, self.places[index].path
        if self._owners.get(path) == index:
            del self._owners[path]
        return self._append(op, inputs, self.infer(op, self.arriving(op, inputs)), path)[0]
