"""Writes the pages that are made from the sources: layers.md, errors.md, the table of limits in language.md, and
gallery.md with its pictures.

    python docs/generate.py            writes them
    python docs/generate.py --check    exits 1 if one is out of date

A test holds the pages to what this writes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from gallery import gallery

from archc.compiler.ir.initialisers import INITIALISERS
from archc.compiler.ops import registry
from archc.compiler.ops.reference import Entry, reference
from archc.dsl.codes import all_codes, explained
from archc.dsl.limits import FIXED, LIMITS

HERE = Path(__file__).parent

GROUPS = {
    "conv": "Convolutions and dense layers",
    "linear": "Convolutions and dense layers",
    "norm": "Norms",
    "activation": "Activations",
    "pool": "Pools",
    "reduce": "Reductions",
    "dropout": "Dropout",
    "stochastic": "Parts left out in training",
    "merge": "Merges",
    "einsum": "Merges",
    "shape": "Shapes",
    "repeat": "Shapes",
    "read_as": "Shapes",
    "rearrange": "Shapes",
    "patches": "Parts of a map",
    "crop": "Parts of a map",
    "pad": "Parts of a map",
    "split": "Parts of a map",
    "resample": "Resampling",
    "attention": "Tokens",
    "multihead": "Tokens",
    "embedding": "Tokens",
    "recurrent": "Tokens",
    "arithmetic": "Arithmetic",
    "elementwise": "Functions of each element",
    "comparison": "Comparisons and masks",
    "makers": "Tensors of sizes and numbers",
    "indexing": "Places along an axis",
}
"""The heading of each module of layers."""

ROOMS = {
    "01": "Syntax",
    "02": "Names",
    "03": "Values and calls",
    "04": "Shapes",
    "05": "Labels and sharing",
    "06": "Constraints and claims",
    "07": "Imports",
    "08": "Compiling and weights",
    "09": "Limits",
    "10": "The command line",
    "11": "Graphs of networkx",
    "12": "PyTorch modules",
    "13": "Many devices",
}
"""The heading of each hundred of codes."""

LIMIT_WORDS = {
    "source_bytes": "size of a file, in bytes",
    "nesting": "nesting of brackets, labels, `if`s and signs",
    "list_values": "values of one list, those of lists in it included",
    "instantiation_depth": "blocks and functions called inside one another",
    "evaluation_steps": "steps of an evaluation: expressions, inferences, rewrites, scopes that nest more than ten "
    "deep, long paths; of all those of one check",
    "nodes": "applications of layers and merges in a network; in all networks of one check, but for the last",
    "edges": "tensors that they take, in all",
    "layer_outputs": "tensors that one layer makes",
    "field_steps": "steps of a receptive field: places looked at, and 512 bits of what they see",
    "integer_bits": "bits of a whole number",
    "diagnostics_shown": "errors shown at once",
    "imported_files": "files that a spec imports",
}


# --- layers


HOW_TO_READ = [
    "Arguments before the `;` may be given by position; all may be given by name. An argument at the call beats",
    "the architecture's `default`, which beats the default shown here. `N` is the batch, `C` the channels, `H` and",
    "`W` the height and width of a map, `T` the number of tokens. `archc explain conv` prints the entry of one.",
]


def layer_groups() -> dict[str, list[str]]:
    """The names of the layers under each heading, in the order of the registry."""
    groups: dict[str, list[str]] = {}
    for name, place in registry.LAYERS.items():
        groups.setdefault(GROUPS[place.split(":")[0]], []).append(name)
    return groups


def layers_page() -> str:
    groups = layer_groups()
    lines = [
        "# Layers and initialisers",
        "",
        "<!-- Made by docs/generate.py from the declarations in compiler/ops. -->",
    ]
    lines += ["", *HOW_TO_READ, ""]
    lines += [f"- {group}: {', '.join(map(_link, names))}" for group, names in groups.items()]
    lines += ["- [Initialisers](#initialisers)", ""]
    for heading, names in groups.items():
        lines += [f"## {heading}", ""]
        for name in sorted(names):
            lines += _entry_lines("###", entry_of(name))
    return "\n".join([*lines, *initialisers("##")]) + "\n"


def entry_of(name: str) -> Entry:
    cls = registry.lookup(name)
    assert cls is not None
    return reference(cls)


def layer_page(name: str) -> str:
    """The entry of one layer as a page of its own."""
    return "\n".join(_entry_lines("#", entry_of(name)))


def _link(name: str) -> str:
    return f"[`{name}`](#{name})"


def _entry_lines(level: str, entry: Entry) -> Iterator[str]:
    yield from (f"{level} {entry.kind}", "", "```", _signature(entry), "```", "", entry.doc, "")
    if entry.parameters:
        yield from table(
            ("parameter", "type", "default", ""),
            [(f"`{p.name}`", p.type, f"`{p.default}`" if p.default else "", p.description) for p in entry.parameters],
        )


def _signature(entry: Entry) -> str:
    """The call, with a `;` between the arguments that may stand by position and the others."""
    named = [p.name if p.default is None else f"{p.name} = {p.default}" for p in entry.parameters]
    first = sum(p.positional for p in entry.parameters)
    parts = [", ".join(named[:first]), ", ".join(named[first:])]
    return f"{entry.kind}({'; '.join(parts) if named[first:] else parts[0]})" if named else entry.kind


def initialisers(level: str) -> Iterator[str]:
    yield from (
        f"{level} Initialisers",
        "",
        'How a weight starts: `conv(64, 3, init = kaiming_normal("fan_out"))`. With a shape before the other',
        "arguments an initialiser makes a tensor of its own: `param p = normal([1, 16, 64], std = 0.02)`. Names and",
        "meanings are those of `torch.nn.init`.",
        "",
    )
    for name, declared in sorted(INITIALISERS.items()):
        yield from (f"{level}# {name}", "", "```", declared.signature, "```", "", declared.doc, "")
        if declared.settings:
            yield from table(("argument", ""), [(f"`{s.name}`", s.description) for s in declared.settings])


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |"
    yield ""


# --- errors


def code_groups() -> dict[str, list[str]]:
    """The codes under each heading, in order."""
    return {ROOMS[room]: list(members) for room, members in groupby(all_codes(), key=lambda code: code[1:3])}


def errors_page() -> str:
    lines = [
        "# Errors",
        "",
        "<!-- Made by docs/generate.py from the pages in dsl/explanations. -->",
        "",
        "Every diagnostic has a code that does not change, and a page. `archc explain E0405` prints it.",
        "`archc check --format json` reports code, message, place and hints for programs.",
        "",
        "Examples are fragments: of a file, of the body of an architecture, or of a chain.",
        "",
    ]
    for heading, members in code_groups().items():
        rows = [(f"[{code}](../dsl/explanations/{code}.md)", explained(code).title) for code in members]
        lines += [f"## {heading}", "", *table(("code", ""), rows)]
    return "\n".join(lines).rstrip() + "\n"


# --- limits


def with_limits(page: str) -> str:
    """The page with a fresh table of limits."""
    rows = [
        (LIMIT_WORDS[name], f"{getattr(LIMITS, name):,}", "" if name in FIXED else f"`{name}`")
        for name in LIMITS.__dataclass_fields__
    ]
    fresh = "\n".join(table(("what", "most", "`--limit`"), rows))
    return re.sub(
        r"(<!-- generated: limits -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}\n{fresh}\n{m[2]}", page, flags=re.DOTALL
    )


def pages() -> dict[Path, str]:
    """What each generated page should hold."""
    language = HERE / "language.md"
    return {
        HERE / "layers.md": layers_page(),
        HERE / "errors.md": errors_page(),
        language: with_limits(language.read_text(encoding="utf-8")),
        **gallery(),
    }


def main(arguments: list[str]) -> int:
    made = pages()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.name} is out of date: run python docs/generate.py")
        else:
            path.write_text(made[path], encoding="utf-8")
            print(f"wrote {path.name}")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
