"""Lowered ops as expressions: constructors of torch modules, and the functions between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

from ...ir.errors import EmitError
from ...ir.graph import Graph
from ...ir.lowering import In, Ins, ModuleCall, Name, Returned, Step, WeightRef
from ...ir.op import Weight
from ...ops.size_checks import size_checks
from .expr import Expr, attr, binary, call, const, identifier, listed, raw, rewrite, subscript, unary, var, walk
from .names import RUNTIME
from .parts import pieces, steps_of

_TARGET = re.compile(r"torch(\.[A-Za-z_][A-Za-z0-9_]*)+\Z")
_CONV = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}
_ROLES: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...] = (
    ("ConvTranspose", ("in_channels", "out_channels", "kernel_size"), {**_CONV, "output_padding": 0}),
    ("Conv", ("in_channels", "out_channels", "kernel_size"), _CONV),
    ("Linear", ("in_features", "out_features"), {"bias": True}),
    ("BatchNorm", ("num_features",), {}),
    ("InstanceNorm", ("num_features",), {}),
    ("GroupNorm", ("num_groups", "num_channels"), {}),
    ("LayerNorm", ("normalized_shape",), {}),
    ("RMSNorm", ("normalized_shape",), {}),
    ("LPPool", ("norm_type", "kernel_size"), {}),
    ("MaxPool", ("kernel_size",), {"stride": None, "padding": 0}),
    ("AvgPool", ("kernel_size",), {"stride": None, "padding": 0}),
    ("Adaptive", ("output_size",), {}),
    ("Dropout", ("p",), {}),
    ("AlphaDropout", ("p",), {}),
    ("FeatureAlphaDropout", ("p",), {}),
    ("Embedding", ("num_embeddings", "embedding_dim"), {}),
    ("MultiheadAttention", ("embed_dim", "num_heads"), {}),
    ("LocalResponseNorm", ("size",), {}),
    ("Survive", ("p",), {"per": "batch"}),
    ("DropMean", ("p",), {"columns": 0, "per": "batch"}),
    ("FreezeDropPath", (), {"distribution": "rising", "cycle": 0}),
    ("Choice", ("n",), {"share": 1.0, "per": "batch"}),
    ("DotProductAttention", ("p",), {"is_causal": False, "scale": None, "enable_gqa": False}),
    ("PixelShuffle", ("upscale_factor",), {}),
    ("PixelUnshuffle", ("downscale_factor",), {}),
)
"""For torch modules by the start of their names: what positional arguments are called, and the defaults of keywords
that blocks often vary, so that `stride=1` and no stride are one constructor with two values."""
_LARGE = 8
"""How many parts an expression may have that is said inside another of the same op."""
_BY_KEYWORD = frozenset({"kernel_size"})

_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "matmul": "@", "pow": "**",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "and_": "&", "xor": "^", "or_": "|",
}  # fmt: skip
_METHOD_ROLES = {"permute": ("dims",), "narrow": ("dim", "start", "length")}
_SCALE_ROLES = {"mul": "scale", "truediv": "divisor", "add": "shift", "sub": "shift", "pow": "power"}


def roles(target: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    name = target.rpartition(".")[2]
    for prefix, positional, defaults in _ROLES:
        if name.startswith(prefix):
            return positional, defaults
    return (), {}


def torch_name(target: str) -> Expr:
    """`nn.Conv2d` for `torch.nn.Conv2d`; only names of torch can be said."""
    if target.removeprefix("runtime.") in RUNTIME:
        return raw(target.removeprefix("runtime."))
    if not _TARGET.match(target) or not all(map(identifier, target.split("."))):
        raise EmitError(f"{target!r} is no name in torch")
    for prefix, short in (("torch.nn.functional.", "F."), ("torch.nn.", "nn.")):
        if target.startswith(prefix):
            return raw(short + target.removeprefix(prefix))
    return raw(target)


def constructor(how: ModuleCall) -> Expr:
    """The call that makes a torch module, with every keyword of known default: `tidy` takes those away again."""
    positional, defaults = roles(how.target)
    names = list(positional) + [f"argument{i}" for i in range(len(positional), len(how.args))]
    given = dict(zip(names, how.args, strict=False))
    by_position = [const(_plain(given[name]), name) for name in given if name not in _BY_KEYWORD]
    keywords = {name: value for name, value in given.items() if name in _BY_KEYWORD} | defaults | how.kwargs
    return call(torch_name(how.target), *by_position, **{k: const(_plain(v), k) for k, v in keywords.items()})


def tidy(expr: Expr) -> Expr:
    """A constructor without the keywords that say torch's default."""
    function, *args = expr.kids
    defaults = roles(function.data)[1] if function.kind == "raw" else {}
    kept = [
        (keyword, argument)
        for keyword, argument in zip(expr.data, args, strict=True)
        if not (keyword in defaults and argument.kind == "const" and _same(argument.data[0], defaults[keyword]))
    ]
    return Expr("call", tuple(k for k, _ in kept), (function, *(a for _, a in kept)))


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b


def _plain(value: Any) -> Any:
    """A constant that can be compared and written."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise EmitError(f"{type(value).__name__} is no constant of generated code")


# --- functions ---------------------------------------------------------------------------------


class Functions:
    """The steps of one op as expressions. `lets` are those whose results are used more than once, in order."""

    def __init__(
        self, inputs: list[Expr], fresh: Any, returned: Expr | None = None, bound: Mapping[str, int] | None = None
    ):
        self.inputs = inputs
        self.bound = bound or {}
        self.returned = returned
        self.fresh = fresh
        self.lets: list[tuple[int, Expr]] = []
        self.made: dict[int, Expr] = {}

    def results(self, results: tuple[Any, ...]) -> list[Expr]:
        steps = steps_of(results)
        uses: dict[int, int] = {}
        for source in [results, *((s.args, s.kwargs) for s in steps)]:
            for item in pieces(source):
                if isinstance(item, Step):
                    uses[id(item)] = uses.get(id(item), 0) + 1
        long = len(steps) > 6
        for step in steps:
            expr = self._step(step)
            large = expr.kind != "binary" and sum(1 for _ in walk(expr)) > _LARGE
            if (uses[id(step)] > 1 and step.target != "size") or ((long or large) and step is not results[-1]):
                number = self.fresh()
                self.lets.append((number, expr))
                expr = var(number)
            self.made[id(step)] = expr
        return [self.argument(item, "value") for item in results]

    def _step(self, step: Step) -> Expr:
        if step.kind == "method":
            base, *args = step.args
            names = _METHOD_ROLES.get(step.target, (step.target,))
            return call(
                attr(self.argument(base, "value"), step.target),
                *(self.argument(a, names[min(place, len(names) - 1)]) for place, a in enumerate(args)),
                **{k: self.argument(v, k) for k, v in step.kwargs.items()},
            )
        module, _, name = step.target.rpartition(".")
        if step.target == "builtins.getattr":
            return attr(self.argument(step.args[0], "value"), step.args[1])
        if module == "operator":
            return self._operator(name, step.args)
        return call(
            torch_name(step.target),
            *(self.argument(a, name) for a in step.args),
            **{k: self.argument(v, k) for k, v in step.kwargs.items()},
        )

    def _operator(self, name: str, args: tuple[Any, ...]) -> Expr:
        if name == "getitem":
            base, items = args
            items = items if isinstance(items, tuple) else (items,)
            return subscript(self.argument(base, "value"), *(self.argument(i, "index") for i in items))
        shown = [self.argument(a, _SCALE_ROLES.get(name, "value")) for a in args]
        if name == "neg":
            return unary("-", shown[0])
        if name not in _OPERATORS:
            raise EmitError(f"operator.{name} cannot be written")
        return binary(_OPERATORS[name], *shown)

    def argument(self, value: Any, role: str) -> Expr:
        match value:
            case In():
                return self.inputs[value.index]
            case Returned() if self.returned is not None:
                return self.returned
            case Ins():
                return listed(tuple(self.inputs[: len(self.inputs) - len(self.bound)]))
            case WeightRef():
                return self.inputs[self.bound[value.name]]
            case Step():
                return self.made[id(value)]
            case Name():
                return torch_name(value.target)
            case slice():
                return Expr("slice", None, tuple(self.argument(v, role) for v in (value.start, value.stop, value.step)))
            case list() | tuple() if any(
                not isinstance(v, int | float | str | None) for v in pieces(value) if v is not value
            ):
                return listed(tuple(self.argument(v, role) for v in value), "[]" if isinstance(value, list) else "()")
            case None:
                return raw("None")
            case _ if value is Ellipsis:
                return raw("...")
            case list():
                return listed(tuple(const(v, role) for v in value))
        return const(_plain(value), role)


def assertions(graph: Graph, arguments: list[str]) -> list[Expr]:
    """What a module asserts of the sizes of its arguments."""
    functions = Functions([raw(name) for name in arguments], count().__next__)
    checks = functions.results(tuple(size_checks(graph)))
    lets = dict(functions.lets)

    def whole(expr: Expr) -> Expr | None:
        return rewrite(lets[expr.data], whole) if expr.kind == "var" else None

    return [rewrite(check, whole) for check in checks]


def tensor(weight: Weight) -> Expr:
    """What a tensor of a module is made of, before its initialiser runs."""
    maker = {"zeros": "torch.zeros", "ones": "torch.ones"}.get(weight.init.kind, "torch.empty")
    shape = [const(size, "size") for size in weight.shape] or [listed((), "()")]
    dtype = {"int": "torch.long", "bool": "torch.bool"}.get(weight.dtype)
    return call(raw(maker), *shape, **({"dtype": raw(dtype)} if dtype else {}))
