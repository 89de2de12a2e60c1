"""Lists of tensors: modules that take any number of tensors, and lists that grow from step to step.

Where instances of a block differ in how many tensors they take, and do no more with them than put them into one list,
the block takes that list. Where every step takes the list of the step before and its result, results are appended.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from .expr import Expr, attr, call, child, listed, raw, rewrite, shape, var, walk
from .steps import Code, StepCode

_MOST_ARGUMENTS = 3
SELF = raw("self")


def take_lists(codes: list[Code]) -> None:
    """Makes functions of one list out of those codes of a block that differ in the number of their inputs."""
    named = [code for code in codes if code.has_forward]
    if len({len(code.inputs) for code in named}) == 1 and len(named[0].inputs) <= _MOST_ARGUMENTS:
        return
    several = {code.scope: made for code in named if (made := _of_list(code)) is not None}
    if not several:
        return
    joined = next(iter(several.values()))
    several.update(
        {code.scope: made for code in named if len(code.inputs) == 1 and (made := _of_one(code, joined)) is not None}
    )
    for code in named:
        if code.scope in several:
            code.steps, code.outputs = several[code.scope]
            code.inputs, code.takes_list = (0,), True


Made = tuple[list[StepCode], tuple[int, ...]]


def _of_list(code: Code) -> Made | None:
    """The steps, where the inputs are in one list in the order in which they come, and nowhere else."""
    if len(code.inputs) < 2 or set(code.inputs) & set(code.outputs):
        return None
    whole = tuple(var(number) for number in code.inputs)
    uses = 0
    for step in code.steps:
        for item in walk(step.expr):
            uses += item.kind == "var" and item.data in code.inputs
    if uses != len(whole) or not any(_holds(step.expr, whole) for step in code.steps):
        return None
    first = var(code.inputs[0])
    steps = [replace(step, expr=_exchanged(step.expr, listed(whole), first)) for step in code.steps]
    return renumbered(steps, code.inputs[:1], code.outputs)


def _holds(expr: Expr, items: tuple[Expr, ...]) -> bool:
    return any(item.kind == "list" and item.data == "[]" and item.kids == items for item in walk(expr))


def _exchanged(expr: Expr, old: Expr, new: Expr) -> Expr:
    return rewrite(expr, lambda item: new if item == old else None)


def _of_one(code: Code, joined: Made) -> Made | None:
    """The steps of a code with one input, where they are those of a list once the list of one is joined."""
    steps, _ = joined
    join = next((step for step in steps if any(item == var(0) for item in walk(step.expr))), None)
    if join is None or len(join.outs) != 1 or code.inputs[0] in code.outputs:
        return None
    fresh = max((number for step in code.steps for number in step.outs), default=0) + 1
    own = var(code.inputs[0])
    changed = [replace(step, expr=_exchanged(step.expr, own, var(fresh))) for step in code.steps]
    first = replace(join, outs=(fresh,), expr=_exchanged(join.expr, var(0), own))
    made = renumbered([first, *changed], code.inputs, code.outputs)
    return made if _alike(made[0], steps) else None


def _alike(some: list[StepCode], others: list[StepCode]) -> bool:
    """Whether the steps are the same but for constants."""
    rows = [
        [(s.outs, shape(s.expr, lambda i: "#" if i.kind == "const" else None)) for s in row] for row in (some, others)
    ]
    return rows[0] == rows[1]


def renumbered(steps: list[StepCode], inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Made:
    """The steps, whose values are numbered as they come."""
    numbers = {number: n for n, number in enumerate(inputs)}
    for step in steps:
        for number in step.outs:
            numbers.setdefault(number, len(numbers))
    made = [
        replace(
            step,
            outs=tuple(numbers[n] for n in step.outs),
            expr=rewrite(step.expr, lambda leaf: var(numbers[leaf.data]) if leaf.kind == "var" else None),
        )
        for step in steps
    ]
    return made, tuple(numbers[n] for n in outputs)


# --- lists that grow -----------------------------------------------------------------------------


def grow_lists(code: Code) -> None:
    """Where steps take ever longer lists, each with one more of the results, the results go to a list that grows."""
    if any(step.again for step in code.steps):
        return
    uses = Counter(code.outputs)
    lists: dict[int, Expr] = {}
    for place, step in enumerate(code.steps):
        held = [item for item in walk(step.expr) if item.kind == "list" and item.data == "[]" and _tensors(item)]
        uses.update(item.data for item in walk(step.expr) if item.kind == "var")
        if len(held) == 1 and not step.training:
            lists[place] = held[0]
    made = {number: place for place, step in enumerate(code.steps) for number in step.outs}
    chain = _chain(code.steps, lists, made, uses)
    if len(chain) > 1 and _begins_earlier(code, chain, lists, made, uses):
        grow_lists(code)
    elif len(chain) > 2 or (len(chain) == 2 and code.steps[chain[0]].kind == "unit"):
        code.steps = _growing(code, chain, lists, made, uses)
        code.steps, code.outputs = renumbered(code.steps, code.inputs, code.outputs)


def _begins_earlier(
    code: Code, chain: list[int], lists: dict[int, Expr], made: dict[int, int], uses: Counter[int]
) -> bool:
    """Joins a list of one for the first result, where it is made of a tensor as the next is of two that are joined."""
    first, join = lists[chain[0]], code.steps[chain[0]]
    if len(first.kids) != 2 or join.expr.kind != "call" or len(join.outs) != 1 or chain[0] + 1 >= len(code.steps):
        return False
    tensor, result = (kid.data for kid in first.kids)
    place = made.get(result, len(code.steps))
    step, after = code.steps[min(place, chain[0])], code.steps[chain[0] + 1]
    one, other = _around(step, tensor), _around(after, join.outs[0])
    if place >= chain[0] or one is None or one != other or uses[result] != len(chain):
        return False
    fresh = 1 + max((*code.inputs, *made), default=0)
    joined = replace(join, outs=(fresh,), expr=_exchanged(join.expr, first, listed((var(tensor),))), names=())
    taking = replace(step, expr=_exchanged(step.expr, var(tensor), var(fresh)))
    code.steps[place : place + 1] = [joined, taking]
    return True


def _around(step: StepCode, number: int) -> list[Any] | None:
    """What a step does with a tensor that it takes once, whatever its numbers are."""
    if sum(item == var(number) for item in walk(step.expr)) != 1 or len(step.outs) != 1:
        return None
    return [step.kind, shape(step.expr, lambda i: i.kind if i.kind in ("const", "num") or i == var(number) else None)]


def _tensors(item: Expr) -> bool:
    return bool(item.kids) and all(kid.kind == "var" for kid in item.kids)


def _chain(steps: list[StepCode], lists: dict[int, Expr], made: dict[int, int], uses: Counter[int]) -> list[int]:
    """The places of steps whose lists grow by one result each; the longest such row, if nothing else takes a result."""
    best: list[int] = []
    chain: list[int] = []
    for place, held in lists.items():
        last = held.kids[-1].data
        grows = chain and held.kids[:-1] == lists[chain[-1]].kids and made.get(last, -1) >= chain[-1]
        if not grows or len(steps[made[last]].outs) != 1:
            chain = []
        chain.append(place)
        best = chain if len(chain) > len(best) else best
    alone = all(uses[lists[place].kids[-1].data] == len(best) - n for n, place in enumerate(best) if n)
    return best if alone else []


def _growing(
    code: Code, chain: list[int], lists: dict[int, Expr], made: dict[int, int], uses: Counter[int]
) -> list[StepCode]:
    fresh = 1 + max((*code.inputs, *made), default=0)
    grown = {made[lists[place].kids[-1].data] for place in chain[1:]}
    steps: list[StepCode] = []
    inside: dict[Expr, Expr] = {}
    for place, step in enumerate(code.steps):
        if place == chain[0]:
            steps.append(StepCode((fresh,), lists[place], "list", "features"))
        expr = _exchanged(step.expr, lists[place], var(fresh)) if place in chain else step.expr
        if place in grown:
            expr = rewrite(expr, inside.get)
            steps.append(StepCode((), call(attr(var(fresh), "append"), expr), "append", step.hint))
        elif place in chain and place + 1 in grown and len(step.outs) == 1 and _only(code, place, uses):
            inside[var(step.outs[0])] = expr
        else:
            steps.append(replace(step, expr=expr))
    return steps


def _only(code: Code, place: int, uses: Counter[int]) -> bool:
    """Whether the step after this one is all that takes its result."""
    number = code.steps[place].outs[0]
    return uses[number] == 1 and any(item == var(number) for item in walk(code.steps[place + 1].expr))


def each_child(code: Code) -> None:
    """Steps that do the same with every module, one after the other, as a loop over the modules."""
    names = [name for name, made in code.members if made.kind in ("call", "inline", "make")]
    if len(names) != len(code.members):
        return
    first = next((n for n, step in enumerate(code.steps) if step.kind == "append"), -1)
    row = code.steps[first : first + len(names)]
    if first < 0 or len(row) < len(names) or any(step.kind != "append" for step in row):
        return
    indexed = code.form == "class of list"
    layer = raw("layer")
    bodies = {_exchanged(s.expr, child(SELF, n, indexed), layer) for n, s in zip(names, row, strict=True)}
    if len(bodies) == 1 and any(item == layer for item in walk(next(iter(bodies)))):
        step = StepCode((), Expr("each", "self" if indexed else "self.children()", (next(iter(bodies)),)), "append")
        code.steps[first : first + len(names)] = [step]
