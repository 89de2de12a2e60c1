"""Elements of lists that are more than a torch module: laid out so that the list is a row of modules.

A list is an `nn.Sequential`, and its elements have the numbers of their places. A layer may carry a function that its
torch module does not do (a dense layer makes a vector of a map of size 1), and a few functions in a row may be one
element. Such a function and a module without tensors become a scope of their own in the place of that module, so that
all names of tensors stay. Beside no such module, the function is the last of the list before it, or a module with the
name of its op, between those with numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .free_names import FreeNames
from .graph import Graph, Node, Scope, Value
from .lowering import Lowering, ModuleCall
from .op import Op
from .regions import Region, Regions, Step
from .rows import can_be_row, ends, is_function, is_member, row_members
from .types import TensorType


@dataclass(slots=True)
class LaidOut:
    """A graph that computes the same, `index` with the new numbers of its nodes, and the paths of the modules that were
    `made`, each with the name in it of the layer whose place it takes; None where it holds functions alone."""

    graph: Graph
    index: list[int] = field(default_factory=list)
    made: list[tuple[str, str | None]] = field(default_factory=list)


@dataclass(slots=True)
class _Element:
    """Steps `first` to `last` of a list. `opens` and `closes` with the function that a layer carries: its own, or that
    of the layer behind; else that of a layer is in `home`, a list, under the name `ahead`."""

    place: str
    first: int
    last: int
    child: Scope | Node | None
    together: bool = False
    opens: bool = False
    closes: bool = False
    home: Scope | None = None
    ahead: str = ""

    @property
    def is_made(self) -> bool:
        """Whether it is to be a scope of its own."""
        return self.together or self.opens or self.closes


def laid_out(regions: Regions, lowerings: Mapping[int, Lowering]) -> LaidOut | None:
    """The graph with such elements as scopes; None where there are none."""
    uses = Counter(node.owner for node in regions.graph.nodes)
    found: dict[Scope, list[_Element]] = {}
    for scope, _ in regions.callable_scopes():
        if scope.parent is not None and any(map(str.isdigit, scope.children)) and not regions.lists:
            elements = _elements(scope, regions, lowerings, uses)
            if elements and any(element.is_made or element.home for element in elements):
                found[scope] = elements
    return _Layout(regions, lowerings, found).run() if found else None


def _elements(
    scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering], uses: Counter[int]
) -> list[_Element] | None:
    """The elements of a list, if it can be a row."""
    region = regions.of_scope[scope][0]
    if len(region.inputs) != 1 or len(region.outputs) != 1 or not can_be_row(scope):
        return None
    if row_members(scope, regions, lowerings) is not None:
        return None
    elements = _numbered(scope, region, lowerings)
    at, names = region.inputs[0], FreeNames(scope.children)
    for number, element in enumerate(elements or ()):
        steps = region.steps[element.first : element.last + 1]
        if not _alike([other.steps[element.first] for other in regions.of_scope[scope]], regions.graph, lowerings):
            return None
        around = ends(steps[0], regions, lowerings) if len(steps) == 1 else None
        if around is None and element.child is None:
            around = _ends_of(steps)
            element.together = True
        layer = steps[0] if around is None and isinstance(steps[0], Node) else None
        carried = layer and _carried(layer, regions.graph, lowerings)
        if layer and carried:
            around = layer.inputs[0], (layer.index, 0)
            if _is_bare(element, regions, scope, uses):
                element.opens = True
            elif number and elements and _is_bare(elements[number - 1], regions, scope, uses):
                elements[number - 1].closes = True
            elif number and elements and (place := _last_of_list(elements[number - 1], regions, scope, lowerings)):
                element.home, element.ahead = place
            else:
                element.home, element.ahead = scope, names.new(carried[0].kind)
        if around is None or around[0] != at:
            return None
        at = around[1]
    for element in elements or () if len(names.taken) > len(scope.children) else ():
        step = region.steps[element.first]
        if element.child is None and not element.is_made and isinstance(step, Node):
            element.child = step  # its number is that of its element, and no longer that of its place
    parts = {regions.graph.nodes[index].recompute for index in region.indices}
    return elements if elements and at == region.outputs[0] and len(parts) == 1 else None


def _numbered(scope: Scope, region: Region, lowerings: Mapping[int, Lowering]) -> list[_Element] | None:
    """The steps by elements. A number that no module has is that of the functions there, all of them if it is one."""
    found: list[_Element] = []
    children, first = iter(scope.children.items()), 0

    def add(last: int, count: int) -> None:
        nonlocal first
        if count == 1:
            found.append(_Element(str(len(found)), first, last, None))
        else:
            found.extend([_Element(str(len(found) + n), first + n, first + n, None) for n in range(count)])
        first = last + 1

    for place, step in enumerate(region.steps):
        if is_function(step, lowerings):
            continue
        name, child = next(children, ("", None))
        lacking = int(name) - len(found) if name.isdigit() else place - first
        if child is None or not is_member(step, child) or not scope.names_first(name):
            return None
        if lacking != place - first and (lacking != 1 or place == first):
            return None
        add(place - 1, lacking)
        found.append(_Element(name, place, place, child))
        first = place + 1
    if next(children, None) is not None:
        return None
    add(len(region.steps) - 1, len(region.steps) - first)
    return found


def _ends_of(steps: Sequence[Step]) -> tuple[Value, Value] | None:
    """What functions in a row turn into what, if that is one tensor into one."""
    nodes = [step for step in steps if isinstance(step, Node)]
    inside = {node.index for node in nodes}
    taken = {value for node in nodes for value in node.inputs if value[0] not in inside}
    return (taken.pop(), (nodes[-1].index, 0)) if len(taken) == 1 and len(nodes[-1].outputs) == 1 else None


def _carried(node: Node, graph: Graph, lowerings: Mapping[int, Lowering]) -> tuple[Op, TensorType, Op] | None:
    how = lowerings[node.owner]
    if not isinstance(how, ModuleCall) or len(node.inputs) != 1 or len(node.outputs) != 1:
        return None
    return node.op.carried(graph.input_types(node))


def _alike(steps: Sequence[Step], graph: Graph, lowerings: Mapping[int, Lowering]) -> bool:
    """Whether a layer carries the same function at each of its applications."""
    carried = [_carried(step, graph, lowerings) for step in steps if isinstance(step, Node)]
    return len({found and found[0].key for found in carried}) < 2


def _is_bare(element: _Element, regions: Regions, scope: Scope, uses: Counter[int]) -> bool:
    """Whether it has no tensors, and is applied in this place alone, so that it can get another path."""
    if element.child is None:
        return True
    if not isinstance(element.child, Node) or len(regions.names.holders_of(element.child)) > 1:
        return False
    node = element.child
    return not node.op.has_weights and uses[node.index] == len(regions.of_scope[scope])


def _last_of_list(
    element: _Element, regions: Regions, scope: Scope, lowerings: Mapping[int, Lowering]
) -> tuple[Scope, str] | None:
    """The list that an element is, where that is applied in this place alone, and the number that comes next in it."""
    child = element.child
    if not isinstance(child, Scope) or child.block is not None or len(regions.names.holders_of(child)) > 1:
        return None
    if regions.reason(child) is not None or len(regions.of_scope[child]) != len(regions.of_scope[scope]):
        return None
    members = row_members(child, regions, lowerings) or {}
    numbers = [name == str(place) for place, name in enumerate(members) if name.isdigit()]
    return (child, str(len(members))) if numbers and all(numbers) else None


class _Layout:
    """Makes the graph with the elements of some lists as scopes."""

    def __init__(self, regions: Regions, lowerings: Mapping[int, Lowering], lists: dict[Scope, list[_Element]]):
        self.graph = regions.graph
        self.lists = lists
        self.result = LaidOut(
            replace(self.graph, nodes=[], inputs=[], outputs=[], root=self.graph.root.emptied("", None))
        )
        self.scopes: dict[Scope, Scope] = {self.graph.root: self.result.graph.root}
        self.scopes_made: dict[tuple[Scope, str], Scope] = {}
        """The new scopes by the list and the place, whose parents are still those of the graph before."""
        self.home: dict[int, Scope] = {}
        """The scope that was made for a node."""
        self.named: dict[int, str] = {}
        """The names in it of those that are modules."""
        self.carried: dict[int, tuple[Scope, tuple[Op, TensorType, Op]]] = {}
        """By the node of a layer the function that it carries, and where that is to stand."""
        for scope, elements in lists.items():
            made = {e.place: self._made(scope, e) for e in elements if e.is_made}
            self.result.made += [(f"{e.home.path}.{e.ahead}", None) for e in elements if e.home]
            for region in regions.of_scope[scope]:
                for number, element in enumerate(elements):
                    self._place(element, region.steps, made)
                    layer = region.steps[element.first]
                    own = element.opens or element.home
                    before = element if own else elements[number - 1] if number else None
                    if isinstance(layer, Node) and before and (before is element or before.closes):
                        carried = _carried(layer, self.graph, lowerings)
                        assert carried is not None
                        self.carried[layer.index] = element.home or made[before.place], carried

    def _made(self, scope: Scope, element: _Element) -> Scope:
        made = self.scopes_made[scope, element.place] = Scope(element.place, scope)
        self.result.made.append((made.path, str(int(element.opens)) if element.child is not None else None))
        return made

    def _place(self, element: _Element, steps: Sequence[Step], made: Mapping[str, Scope]) -> None:
        if element.is_made:
            for node in steps[element.first : element.last + 1]:
                assert isinstance(node, Node)
                self.home[node.index] = made[element.place]
                if node.name:
                    self.named[node.index] = str(int(element.opens))

    def run(self) -> LaidOut:
        for node in self.graph.nodes:
            self._node(node)
        graph, index = self.result.graph, self.result.index
        graph.inputs += [replace(entry, node=index[entry.node]) for entry in self.graph.inputs]
        graph.outputs += [replace(o, values=tuple(map(self._value, o.values))) for o in self.graph.outputs]
        self._fill(self.graph.root)
        return self.result

    def _value(self, value: Value) -> Value:
        return self.result.index[value[0]], value[1]

    def _node(self, node: Node) -> None:
        nodes, index = self.result.graph.nodes, self.result.index
        op, inputs = node.op, tuple(map(self._value, node.inputs))
        if node.index in self.carried:
            scope, (function, type_, op) = self.carried[node.index]
            at = len(nodes)
            made = Node(at, function, inputs, (type_,), self._copied(scope), "", at, node.origin, node.span)
            made.recompute = node.recompute
            nodes.append(made)
            inputs = ((at, 0),)
        index.append(len(nodes))
        scope = self._copied(self.home.get(node.index, node.scope))
        name, owner = self.named.get(node.index, node.name), index[node.owner]
        nodes.append(replace(node, index=index[-1], op=op, inputs=inputs, scope=scope, name=name, owner=owner))

    def _copied(self, scope: Scope) -> Scope:
        if scope not in self.scopes:
            assert scope.parent is not None
            self.scopes[scope] = scope.emptied(scope.name, self._copied(scope.parent))
        return self.scopes[scope]

    def _fill(self, root: Scope) -> None:
        """Puts into the copies of scopes what they hold."""
        nodes, stack, seen = self.result.graph.nodes, [root], {root}
        while stack:
            scope = stack.pop()
            held: dict[str, Scope | Node | None] = {**scope.children}
            elements = self.lists.get(scope, ())
            if elements:
                held = {e.place: self.scopes_made.get((scope, e.place), e.child) for e in elements}
            ahead = {e.place: e.ahead for e in elements if e.home is scope}
            children = self._copied(scope).children
            for name, child in held.items():
                if isinstance(child, Node):
                    node = nodes[self.result.index[child.index]]
                    if name in ahead:
                        children[ahead[name]] = nodes[node.inputs[0][0]]
                    children[name] = node
                elif child is not None:
                    children[name] = self._copied(child)
                    if child not in seen:
                        seen.add(child)
                        stack.append(child)
        for elements in self.lists.values():
            for element in elements:
                if element.is_made and isinstance(element.child, Node):
                    node = nodes[self.result.index[element.child.index]]
                    node.scope.children[node.name] = node
