"""Lines of Python: long calls are broken as formatters break them."""

from __future__ import annotations

from .expr import Expr
from .show import is_comprehension, item_text, loop_head, show, spread, terms

WIDTH = 120


def lay(prefix: str, expr: Expr, suffix: str = "", indent: int = 0) -> list[str]:
    """The lines of `prefix` + expression + `suffix`."""
    pad = " " * indent
    flat = f"{pad}{prefix}{item_text(expr)}{suffix}"
    kids = list(expr.kids)
    if len(flat) <= WIDTH:
        return [flat]
    if expr.kind == "call" and len(kids) > 1:
        function, *args = kids
        keys = [f"{k}=" if k else "" for k in expr.data]
        return _broken(f"{pad}{prefix}{show(function)}(", keys, args, f"){suffix}", indent)
    if expr.kind == "list" and is_comprehension(expr):
        return _comprehended(f"{pad}{prefix}{expr.data[0]}", kids[0], f"{expr.data[1]}{suffix}", indent)
    if expr.kind == "loop":
        opening, loop, closing = spread(expr)
        return _comprehended(f"{pad}{prefix}{opening}", loop, f"{closing}{suffix}", indent)
    if expr.kind == "list" and kids:
        return _broken(f"{pad}{prefix}{expr.data[0]}", [""] * len(kids), kids, f"{expr.data[1]}{suffix}", indent)
    if expr.kind == "subscript" and kids[0].kind == "call":
        return lay(prefix, kids[0], f"[{', '.join(map(show, kids[1:]))}]{suffix}", indent)
    if expr.kind == "pair":
        return lay(f"{prefix}{show(kids[0])}: ", kids[1], suffix, indent)
    if expr.kind in ("binary", "choice") and prefix and not suffix:
        whole = show(expr)
        parts = [("", whole, expr)] if len(pad) + 4 + len(whole) <= WIDTH else terms(expr)
        lines = [line for part in parts for line in _term(*part, indent + 4)]
        return [f"{pad}{prefix}(", *lines, f"{pad})"]
    return [flat]


def _term(sign: str, text: str, expr: Expr, indent: int) -> list[str]:
    flat = f"{' ' * indent}{sign}{text}"
    return lay(sign, expr, "", indent) if len(flat) > WIDTH and text == show(expr) else [flat]


def _broken(head: str, keys: list[str], items: list[Expr], tail: str, indent: int) -> list[str]:
    inner = " " * (indent + 4) + ", ".join(f"{key}{item_text(item)}" for key, item in zip(keys, items, strict=True))
    if len(inner) <= WIDTH:
        return [head, inner, " " * indent + tail]
    lines = [head]
    for key, item in zip(keys, items, strict=True):
        lines += lay(key, item, ",", indent + 4)
    return [*lines, " " * indent + tail]


def _comprehended(head: str, expr: Expr, tail: str, indent: int) -> list[str]:
    outer = loop_head(expr)
    if len(expr.kids) == 1:
        return [head, *lay("", expr.kids[0], "", indent + 4), " " * indent + f"    {outer}", " " * indent + tail]
    inner = lay("for m in ", Expr("list", "()", expr.kids), "", indent + 4)
    return [head, " " * indent + "    m", " " * indent + f"    {outer}", *inner, " " * indent + tail]


def signature(head: str, parameters: list[str], tail: str, indent: int) -> list[str]:
    """The lines of a `def`."""
    pad = " " * indent
    flat = f"{pad}{head}({', '.join(parameters)}){tail}"
    if len(flat) <= WIDTH:
        return [flat]
    inner = f"{pad}    {', '.join(parameters)}"
    if len(inner) <= WIDTH:
        return [f"{pad}{head}(", inner, f"{pad}){tail}"]
    return [f"{pad}{head}(", *(f"{pad}    {p}," for p in parameters), f"{pad}){tail}"]
