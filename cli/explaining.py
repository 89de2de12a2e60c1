"""`archc explain`: what a code, a word or an operator means, and what a layer or another name of the language does."""

from __future__ import annotations

import re
from textwrap import fill
from typing import TYPE_CHECKING

from .options import usage
from .reporting import summary, text_width
from .terminal import say, style, table

if TYPE_CHECKING:
    from ..compiler.ops.reference import Entry
    from .specs_commands import Explain

_ITEMS = re.compile(r"\n(?=\d+\. )")
_CODE = re.compile(r"E0*(\d+)")


def run_explain(request: Explain) -> int:
    """Prints the explanation of a code or a name, or without one a table of all. For others raises a usage error."""
    from ..compiler.elaborate.language import form_of, known_names
    from ..dsl.codes import all_codes, all_pages
    from ..editor.reference import described

    name = request.name
    if name is None:
        list_explained()
        return 0
    codes, names = all_codes(), list(known_names())
    page = next((known for known in (name.upper(), name) if known in all_pages()), None)
    if page is not None:
        _say_page(page)
    elif name in names:
        _, entry = described(name)
        if entry is not None:
            say_entry(entry)
        for form in form_of(name):
            say(("" if entry is None else "\n") + paragraph(f"{form}."))
    else:
        raise usage(f"there is nothing called {name}; {_hint(name, codes, names)}", "NAME")
    return 0


def list_explained() -> None:
    """A table for each kind of what can be explained."""
    from ..compiler.elaborate.language import form_of, known_names
    from ..dsl.codes import all_codes, all_operators, all_words, explained
    from ..editor.reference import described

    tables = {
        "code": [[code, explained(code).title] for code in all_codes()],
        "word": [[word, explained(word).title] for word in all_words()],
        "operator": [[sign, explained(sign).title] for sign in all_operators()],
    }
    for name in known_names():
        kind, entry = described(name)
        meaning = summary(entry.doc) if entry is not None else ". ".join(form_of(name))
        tables.setdefault(kind, []).append([name, meaning])
    for number, (kind, rows) in enumerate(tables.items()):
        if number:
            say()
        table([kind, "meaning"], rows)


def say_entry(entry: Entry) -> None:
    """Prints a reference entry whole."""
    say(style(fill(entry.signature, text_width(), subsequent_indent="    "), "bold") + "\n")
    say("\n\n".join("\n".join(map(paragraph, _ITEMS.split(block))) for block in entry.doc.split("\n\n")))
    if entry.parameters:
        say()
        say_parameters(entry, 2)


def say_parameters(entry: Entry, margin: int) -> None:
    """Prints each parameter with what it means, its type and its default."""
    for parameter in entry.parameters:
        default = None if parameter.default is None else f"{parameter.default} unless told"
        words = "; ".join(filter(None, (parameter.type, default)))
        say(indented(f"{parameter.name}: {parameter.description}{words and f' ({words})'}", margin))


def paragraph(text: str) -> str:
    """The text in lines as wide as the terminal; those of an item of a numbered list stand behind its number."""
    hanging = "   " if text[:1].isdigit() else ""
    return fill(" ".join(text.split()), text_width(), subsequent_indent=hanging, break_on_hyphens=False)


def indented(text: str, width: int) -> str:
    margin = " " * width
    return fill(text, text_width(), initial_indent=margin, subsequent_indent=f"{margin}  ", break_on_hyphens=False)


def _say_page(name: str) -> None:
    """Prints the page of a code, a word or an operator."""
    from ..dsl.codes import explained

    page = explained(name)
    say(f"{style(name, 'bold')}: {page.title}\n")
    say("\n\n".join(map(paragraph, page.paragraphs)))
    for heading, example in (("Wrong", page.wrong), ("Right" if page.wrong else "Example", page.right)):
        if example is not None:
            say(f"\n{heading}:\n\n" + "\n".join(f"    {line}" for line in example.splitlines()))


def _hint(name: str, codes: list[str], names: list[str]) -> str:
    """What may have been meant: of codes those that begin with the same digits, else the nearest of the same hundred;
    of names what is written much alike, else the shortest that begin so."""
    from ..compiler.elaborate.suggestions import did_you_mean
    from ..compiler.ir.words import meant, nearest
    from ..dsl.codes import all_words
    from ..dsl.frameworks import called_here

    number = _CODE.fullmatch(name.upper())
    if number is None:
        known = [*all_words(), *names]
        begun = sorted((word for word in known if len(name) > 3 and word.startswith(name[:4])), key=len)
        alike = called_here(name) is not None or nearest(name, known, likeness=0.8) or not begun
        hints = did_you_mean(name, [*known, *codes], layers=True) if alike else meant(begun[:3])
    else:
        begun = [code for code in codes if code[1:].lstrip("0").startswith(number[1])][:3]
        hints = meant(begun or nearest(name.upper(), [code for code in codes if code[:3] == name.upper()[:3]]))
    return next(iter(hints), "`archc explain` lists what there is")
