"""Sizes as text."""

from __future__ import annotations

from functools import lru_cache

from .sizes import Atom, Dim, Monomial, Size

_LEVELS = 24
_WEIGHT = 1000


@lru_cache(4096)
def text(dim: Dim) -> str:
    """A size as a spec would write it; formulas nested very deep are abbreviated."""
    return _text(dim, _LEVELS)


def _text(dim: Dim, levels: int) -> str:
    if isinstance(dim, int):
        return _number(dim)
    absorbed = _absorbed(dim)
    if absorbed is not None and levels:
        return f"({_text(absorbed[0], levels - 1)}) // {_number(absorbed[1])}"
    terms = sorted(
        # Python reads -a // b as (-a) // b, so the last item says which text is a division.
        (factor < 0, -len(m), _term(m, abs(factor), levels), factor == -1 and len(m) == 1 and m[0].kind == "//")
        for m, factor in dim.terms.items()
    )
    pieces = [("-" if negative else "+", text) for negative, _, text, _ in terms]
    if dim.constant:
        # A constant comes last, unless only it keeps the text from starting with a minus.
        place = 0 if terms[0][0] and dim.constant > 0 else len(pieces)
        pieces.insert(place, ("-" if dim.constant < 0 else "+", _number(abs(dim.constant))))
    (sign, first), *rest = pieces
    if sign == "-":
        first = f"-({first})" if terms[0][3] else f"-{first}"
    return first + "".join(f" {sign} {text}" for sign, text in rest)


def _absorbed(size: Size) -> tuple[Dim, int] | None:
    """(a, n) where the size is a // n - as `(H - 1) // 2` is kept as `(H + 1) // 2 - 1` - and that is shorter."""
    division = size.without_constant().division if size.constant < 0 else None
    if division is None or not division[0].constant:
        return None
    return division[0] + size.constant * division[1], division[1]


def _term(monomial: Monomial, factor: int, levels: int) -> str:
    if factor == 1 and len(monomial) == 1:
        return _atom_text(monomial[0], levels)
    powers: dict[Atom, int] = {}
    for atom in monomial:
        powers[atom] = powers.get(atom, 0) + 1
    texts: list[str] = []
    for atom, power in powers.items():
        text = _atom_text(atom, levels)
        text = f"({text})" if atom.kind == "//" else text
        texts.append(text if power == 1 else f"{text} ** {power}")
    return " * ".join([_number(factor)] * (factor != 1) + sorted(texts))


def _atom_text(atom: Atom, levels: int) -> str:
    if atom.kind == "symbol":
        return atom.name
    hidden = levels == 0 or atom.weight > _WEIGHT
    texts = [_number(d) if isinstance(d, int) else "..." if hidden else _text(d, levels - 1) for d in atom.operands]
    if atom.kind != "//":
        return f"{atom.kind}({', '.join(sorted(texts))})"
    bare = [d >= 0 if isinstance(d, int) else d.atom is not None and d.atom.kind != "//" for d in atom.operands]
    return " // ".join(text if plain else f"({text})" for text, plain in zip(texts, bare, strict=True))


def _number(n: int) -> str:
    """Decimal where that is short; Python refuses to print numbers of many thousand digits."""
    if n.bit_length() <= 128:
        return str(n)
    power = f"{'-' if n < 0 else ''}2**{n.bit_length() - 1}"
    return power if n.bit_count() == 1 else f"about {power}"
