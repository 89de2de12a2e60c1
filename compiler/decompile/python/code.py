"""What is to be written for each scope, as expressions whose constants are still the scope's own.

Scopes whose code differs in constants only share a class; `Code.key` says which do, `Code.constants` what differs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from ...ir.errors import EmitError
from ...ir.graph import Node, Scope, Value, scopes
from ...ir.lowering import ModuleCall
from ...ir.op import Weight
from ...ir.reached import reached
from ...ir.rows import can_be_row
from .expr import Expr, ModuleRef, attr, call, child, const, is_identifier, listed, raw, registered, shape, text
from .fold import Folder
from .forms import Forms, can_be_dict, counted
from .init import Starts
from .inline import lonely, named_apart, repeated
from .layers import constructor, tensor
from .lists import each_child, grow_lists, take_lists
from .names import kind
from .optional import pass_on, with_optional
from .parts import Part, members
from .plan import Plan
from .recursion import recursions
from .steps import Code, StepCode, Steps

SELF = raw("self")
_ROUNDS = 4
_MOST_PAIRS = 4
_ROWS = frozenset({"class of row", "sequential", "ordered"})


class Writer:
    """Makes the codes of all scopes, what they hold first."""

    def __init__(self, plan: Plan, starts: Starts, input_values: list[Value]):
        self.plan = plan
        self.starts = starts
        self.input_values = input_values
        self.codes: dict[Scope, Code] = {}
        self.given: dict[int, str] = {}
        """The parameters for parts that the caller passes, by the key of the codes that have one."""
        self.recursions: dict[Scope, str] = {}
        self.folder = Folder()
        self._keys: dict[Any, int] = {}
        self.scopes = sorted(scopes(plan.root.scope), key=lambda s: -plan.names.depth_of(s))
        forms = Forms(plan, self.scopes)
        self.forms, self.late = forms.of, forms.late
        self.levels = self._levels()
        self._settle()

    def _settle(self) -> None:
        """Writes all scopes until it is known which are classes."""
        self._write(self.scopes)
        apart = {code.scope for code in named_apart(self.codes.values())}
        times = Counter(code.key for code in self.codes.values())
        rows = [code for code in self.codes.values() if code.form == "class of row"]
        short = [c.scope for c in rows if c.scope in apart or (times[c.key] == 1 and _is_short(c))]
        self._change(dict.fromkeys(short, "ordered"))
        plain: dict[Scope, str] = {}
        for _ in range(_ROUNDS):
            more = {p: form for p, form in repeated(self.codes.values()).items() if p not in plain and can_be_row(p)}
            if not more:
                break
            plain.update((scope, self.forms[scope]) for scope in more)
            self._change(more)
        self._change({scope: plain[scope] for scope in lonely(self.codes.values(), plain)})
        self.recursions = recursions(self)
        if self.recursions:
            self._write(self.recursions)

    def _change(self, forms: dict[Scope, str]) -> None:
        """Writes scopes anew, where some have other forms."""
        if forms:
            self.forms.update(forms)
            self._write(forms)

    def to_open(self) -> set[Scope]:
        """The scopes whose modules are better called by what is around them, since they differ in names alone."""
        return {
            code.scope
            for code in named_apart(self.codes.values())
            if code.has_forward
            and not code.counts
            and self.is_private(code.scope)
            and can_be_dict(code.scope)
            and len(self.plan.of_scope[code.scope]) == 1
        }

    def _write(self, changed: Iterable[Scope]) -> None:
        """Writes all scopes from the first level on that has a changed scope, or one that holds such a scope. What is
        written of a scope says nothing of the levels above, so those below stay."""
        affected = set(reached(changed, lambda scope: [holder for holder, _ in self.plan.names.holders_of(scope)]))
        first = next((n for n, level in enumerate(self.levels) if not affected.isdisjoint(level)), len(self.levels))
        kept = {scope for level in self.levels[:first] for scope in level}
        self.codes = {scope: code for scope, code in self.codes.items() if scope in kept}
        self.given = {code.key: code.optional for code in self.codes.values() if code.optional}
        for level in self.levels[first:]:
            codes = [self.code(scope, recursive=self.recursions.get(scope)) for scope in level]
            codes = with_optional(self, codes)
            passed = {code.key for code in codes if code.optional and not code.recursive}
            codes = self._with_lists([code for code in codes if code.key not in passed]) + [
                code for code in codes if code.key in passed
            ]
            groups: dict[Any, list[Code]] = defaultdict(list)
            for code in codes:
                if code.key not in passed:
                    groups[code.form, kind(code.scope)].append(code)
            for group in groups.values():
                self._fold(group)
                if group[0].is_class:
                    pass_on(group)
                for code in group:
                    self._seal(code)
            self.codes.update((code.scope, code) for code in codes)
            self.given.update((code.key, code.optional) for code in codes if code.optional)

    def _levels(self) -> list[list[Scope]]:
        """The scopes, each after what it holds, and those of one kind together where that can be."""
        together: dict[str, int] = {}
        heights: dict[Scope, int] = {}
        kinds = {scope: kind(scope) for scope in self.scopes}
        for _ in range(_ROUNDS):
            heights = dict.fromkeys(self.scopes, 0)
            for scope in self.scopes:
                heights[scope] = max(heights[scope], together.get(kinds[scope], 0))
                if scope.parent is not None:
                    heights[scope.parent] = max(heights[scope.parent], heights[scope] + 1)
            for scope, height in heights.items():
                together[kinds[scope]] = max(height, together.get(kinds[scope], 0))
        levels: dict[int, list[Scope]] = defaultdict(list)
        for scope, height in heights.items():
            levels[height].append(scope)
        return [levels[height] for height in sorted(levels)]

    def _with_lists(self, codes: list[Code]) -> list[Code]:
        """The codes, where such that differ in the number of tensors that they take are functions of a list."""
        kinds: dict[str, list[Code]] = defaultdict(list)
        for code in codes:
            grow_lists(code)
            kinds[kind(code.scope)].append(code)
        result: list[Code] = []
        for group in kinds.values():
            several = any(code.has_forward and len(code.inputs) > 1 for code in group)
            rows = [code for code in group if several and code.form in _ROWS and self.is_private(code.scope)]
            forms = {code.scope: self.forms[code.scope] for code in rows}
            self.forms.update(dict.fromkeys(forms, "class"))
            tried = [self.code(code.scope) if code.scope in forms else code for code in group]
            take_lists([code for code in tried if self.is_private(code.scope)])
            self.forms.update((c.scope, forms[c.scope]) for c in tried if c.scope in forms and not c.takes_list)
            result += [new if new.takes_list else code for code, new in zip(group, tried, strict=True)]
        return result

    def is_private(self, scope: Scope) -> bool:
        """Whether only what holds the scope calls it: no other name leads to it."""
        return len(self.plan.names.holders_of(scope)) == 1

    def _fold(self, group: list[Code]) -> None:
        for code in group:
            each_child(code)
        indexed = group[0].form in ("sequential", "list")
        for as_list in (False, True):
            codes = [code for code in group if (indexed or code.numbered) == as_list]
            for code, row in zip(codes, self.folder.fold([c.made for c in codes], as_list), strict=True):
                code.made = row
        steps = self.folder.fold([[(s.hint, _as_item(s)) for s in code.steps] for code in group], False)
        for code, row in zip(group, steps, strict=True):
            names = {step.outs: step.names for step in code.steps}
            code.steps = [_as_step(hint, item, names) for hint, item in row]
        starts = self.folder.fold([[("", expr) for expr in code.starts] for code in group], False)
        for code, row in zip(group, starts, strict=True):
            code.starts = [expr for _, expr in row]

    # --- codes -----------------------------------------------------------------------------

    def code(
        self, scope: Scope, optional: str | None = None, without: str | None = None, recursive: str | None = None
    ) -> Code:
        """The code; `optional` and `recursive` name a member that the caller passes, `without` one that is as if it
        were not there."""
        passed = optional or recursive
        code = Code(
            scope,
            self.forms[scope],
            optional=passed,
            recursive=recursive is not None,
            callable=scope in self.plan.bodies,
        )
        layer = self.plan.layer(scope)
        if layer is not None:
            code.made = [("", constructor(layer[1]))]
            self._seal(code)
            return code
        left_out = optional or without
        for name, item in members(scope).items():
            if name != without:
                made = raw(name) if name == passed else self._make(scope, name, item)
                code.members.append((name, made))
        code.made = [(name, _item(code, name, made)) for name, made in code.members]
        if code.has_forward:
            Steps(self, code, self.plan.bodies[scope], left_out, bypass=without is not None).write()
        if code.is_class:
            code.starts = [
                Expr("assign", None, (self._own(scope, holder, name), self._own(scope, target)))
                for holder, name, target in self.late.get(scope, ())
            ]
            code.starts += self._starts(scope, SELF, passed or without)
        if optional:
            plain = self.code(scope, without=optional)
            code.key, code.constants = plain.key, plain.constants
        else:
            self._seal(code)
        if passed:
            code.given = self._make(scope, passed, members(scope)[passed])
        return code

    def _seal(self, code: Code) -> None:
        """Gives a code its key and its constants."""
        code.constants = []
        parts: list[Any] = [code.form, code.callable, code.takes_list, code.inputs, code.outputs]
        parts += [(name, self._shape(expr, code.constants)) for name, expr in code.made]
        parts += [(s.outs, s.kind, s.training, s.again, self._shape(s.expr, code.constants)) for s in code.steps]
        parts += [self._shape(expr, code.constants) for expr in code.starts]
        code.key = self._keys.setdefault(tuple(parts), len(self._keys))

    def _shape(self, expr: Expr, constants: list[Any]) -> Any:
        def mark(item: Expr) -> str | None:
            if item.kind != "const":
                return None
            constants.append(item.data[0])
            return "#"

        return self._keys.setdefault(shape(expr, mark), len(self._keys))

    def _make(self, scope: Scope, name: str, item: Scope | Part) -> Expr:
        if not scope.names_first(name):
            if any((scope, name) == late[:2] for lates in self.late.values() for late in lates):
                return Expr("late")
            how = item.how if isinstance(item, Part) else None
            learned = how.learned if isinstance(how, Weight) else None
            return const(ModuleRef(item, {True: "nn.Parameter", False: "Tensor", None: "nn.Module"}[learned]), name)
        if isinstance(item, Scope):
            return self._scope(item)
        if isinstance(item.how, Weight):
            return self._tensor(item.how, name, item.frozen)
        if not isinstance(item.how, ModuleCall):
            raise EmitError(f"{item.name!r} is registered, and is no module")
        if item.how.target.startswith("extern:"):
            raise EmitError("a layer that the host binds cannot be written as source")
        made = constructor(item.how)
        return call(attr(made, "requires_grad_"), raw("False")) if item.frozen and item.weights else made

    def _tensor(self, weight: Weight, name: str, frozen: bool) -> Expr:
        made = tensor(weight)
        if not weight.learned:
            return Expr("buffer", weight.persistent, (made,))
        kwargs = {"requires_grad": raw("False")} if frozen else {}
        return call(raw("nn.Parameter"), made, **kwargs)

    def _scope(self, scope: Scope) -> Expr:
        code = self.codes[scope]
        if not code.is_class:
            return Expr("inline", (code.key,), (_inline(code),))
        slots = tuple(const(value) for value in code.constants)
        name = self.given.get(code.key)
        given = (Expr("given", name, () if code.given is None else (code.given,)),) if name else ()
        return Expr("make", (code.key, len(slots)), (*slots, *given))

    def starts_of(self, scope: Scope, name: str) -> list[Expr]:
        """The initialisers of one child."""
        item = members(scope)[name]
        access = self.member(scope, SELF, name)
        if isinstance(item, Part):
            return list(self.starts.of(item, access))
        return [] if self.codes[item].is_class else list(self._starts(item, access))

    def _starts(self, scope: Scope, base: Expr, left_out: str | None = None) -> Iterable[Expr]:
        """The initialisers of everything that this class's constructor makes itself."""
        for name, item in members(scope).items():
            if not scope.names_first(name):
                continue
            access = self.member(scope, base, name)
            if isinstance(item, Scope):
                if not self.codes[item].is_class:
                    yield from self._starts(item, access)
            elif name != left_out:
                yield from self.starts.of(item, access, self.plan.layer(scope))

    def member(self, scope: Scope, base: Expr, name: str) -> Expr:
        form = self.forms[scope]
        indexed = form in ("sequential", "list", "class of list") or (
            form == "class of row" and counted(list(members(scope).items()))
        )
        return child(base, name, indexed)

    def _own(self, scope: Scope, target: Scope | Part, name: str | None = None) -> Expr:
        """How code in `scope` says something below it, or a child of that, by its first name."""
        way = self.own_way(scope, target)
        assert way is not None
        return self.member(target, way, name) if name is not None and isinstance(target, Scope) else way

    def own_way(self, top: Scope | Node, target: Scope | Node, way: Expr = SELF) -> Expr | None:
        """How code says something below a module, which it says as `way`; None where it is elsewhere."""
        names: list[tuple[Scope, str]] = []
        at = target
        while at is not top:
            if at.holder is None:
                return None
            names.append((at.holder, at.name))
            at = at.holder
        return self._along(reversed(names), way)

    def route(self, scope: Scope, target: Scope | Part) -> Expr:
        """How code in `scope` says `target`: by its own name, or by another of its names below the scope."""
        ways: list[tuple[Scope | Part, tuple[tuple[Scope, str], ...]]] = [(target, ())]
        seen: set[Any] = set()
        for at, names in ways:
            if at is scope:
                return self._along(names)
            for held in self.plan.names.holders_of(at):
                if held not in seen:
                    seen.add(held)
                    ways.append((held[0], (held, *names)))
        raise EmitError(f"{target.name!r} cannot be reached from {scope.path!r}")

    def _along(self, names: Iterable[tuple[Scope, str]], way: Expr = SELF) -> Expr:
        for holder, name in names:
            way = self.member(holder, way, name)
        return way


def _is_short(code: Code) -> bool:
    """Whether it makes a single module, and no other in that, or a few of which some have numbers, which attributes
    cannot have: a dict with more of them is longer than a function."""
    if [made.kind for _, made in code.members] in (["call"], ["make"]):
        return True
    return len(code.members) <= _MOST_PAIRS and any(name.isdigit() for name, _ in code.members)


def _as_item(step: StepCode) -> Expr:
    """A step as one of a row, in which those that append may come again."""
    if step.kind == "append":
        return step.expr
    return Expr("step", (step.outs, step.kind, step.training, step.optional, step.early, step.again), (step.expr,))


def _as_step(hint: str, item: Expr, names: dict[tuple[int, ...], tuple[tuple[str, ...], ...]]) -> StepCode:
    if item.kind != "step":
        return StepCode((), item, "append", hint)
    outs, kind_, *marks = item.data
    return StepCode(outs, item.kids[0], kind_, hint, *marks, names=names[outs])


def _item(code: Code, name: str, made: Expr) -> Expr:
    """A member as a statement, or as what stands in a list of its kind."""
    match code.form:
        case "ordered":
            return listed((text(name), made), "()")
        case "dict":
            return Expr("pair", None, (text(name), made))
        case "sequential" | "list":
            return made
    if code.numbered:
        return made
    if made.kind == "late":
        return call(attr(SELF, "register_module"), text(name), raw("None"))
    if made.kind == "buffer":
        kwargs = {} if made.data else {"persistent": raw("False")}
        return call(attr(SELF, "register_buffer"), text(name), made.kids[0], **kwargs)
    if is_identifier(name):
        return Expr("assign", "add_module", (child(SELF, name), made))
    return registered(SELF, text(name), made)


def _inline(code: Code) -> Expr:
    """The call that makes a list of modules where it stands."""
    made = tuple(expr for _, expr in code.made)
    match code.form:
        case "layer":
            return made[0]
        case "sequential":
            return call(raw("nn.Sequential"), *made)
        case "list":
            return call(raw("nn.ModuleList"), Expr("list", "[]", made))
        case "ordered":
            return call(raw("nn.Sequential"), call(raw("OrderedDict"), Expr("list", "[]", made)))
        case "dict":
            return call(raw("nn.ModuleDict"), Expr("list", "{}", made))
    return call(raw("nn.Module"))
