"""Every code of a diagnostic, with the explanation that `docs/errors.md` prints.

Each room adds a table of its own at the end, and nothing else: E01 syntax, E02 names, E03 values and calls,
E04 shapes, E05 labels and sharing, E06 claims, E07 imports, E08 compiling, E09 limits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means: a short title, and a paragraph that teaches, with a wrong and a right example."""

    title: str
    explanation: str


def example(wrong: str, right: str) -> str:
    def indent(code: str) -> str:
        return "\n".join("    " + line for line in code.splitlines())

    return f"\n\nWrong:\n\n{indent(wrong)}\n\nRight:\n\n{indent(right)}\n"


SYNTAX: dict[str, Code] = {
    "E0101": Code(
        "unexpected word or symbol",
        "What was met cannot stand at that place. The message names what could. Newlines mean nothing in `.arch`, so "
        "the cause is often just before: an operator or a comma that is missing between two things."
        + example("output image -> conv(64, 3) bn", "output image -> conv(64, 3) -> bn"),
    ),
    "E0102": Code(
        "bracket never closed",
        "A `(`, `[` or `{` was opened and the file, or the next declaration, came before its partner. The label shows "
        "the bracket that is still open."
        + example("block basic(c) = [conv(c, 3), bn", "block basic(c) = [conv(c, 3), bn]"),
    ),
    "E0103": Code(
        "closing bracket without its partner",
        "A closing bracket met no open one, or one of another kind."
        + example("f = [conv(64, 3), bn)", "f = [conv(64, 3), bn]"),
    ),
    "E0104": Code(
        "string never closed",
        'A string begins and ends with `"` on one line. A longer text belongs into a doc string.'
        + example('use basic from "resnet.arch', 'use basic from "resnet.arch"'),
    ),
    "E0105": Code(
        "doc string never closed",
        'A doc string begins and ends with three quotes, `"""`, and may span lines.'
        + example('"""ResNets\n\nblock basic(c) = conv(c, 3)', '"""ResNets"""\n\nblock basic(c) = conv(c, 3)'),
    ),
    "E0106": Code(
        "character that means nothing",
        "The character is no part of the language. Names are made of ASCII letters, digits and `_`, since they become "
        "names of modules and parameters; strings and comments may hold any text." + example("größe = 64", "size = 64"),
    ),
    "E0107": Code(
        "malformed number",
        "Numbers are written `64`, `25_557_032`, `0.5` or `1e-5`: digits on both sides of the point, and no letters "
        "after them." + example("dropout(.5)", "dropout(0.5)"),
    ),
    "E0108": Code(
        "label whose extent can be misread",
        "A label binds tighter than `+`, `-`, `++`, `*` and `/`, so `a: f + g` would label `f` alone, which the "
        "eye does "
        "not see. Parentheses say which of the two readings is meant. On the right of the operator a label "
        "needs none, nor "
        "does one whose value ends in a bracket: `a: f(64) + g`."
        + example("a: f + g", "a: (f + g)      # the sum is a\n(a: f) + g      # f is a"),
    ),
    "E0109": Code(
        "merge to the right of an arrow",
        "`+`, `-`, `++`, `*` and `/` bind tighter than `->`, so `conv -> bn + id` would be `conv -> (bn + id)`, "
        "though it "
        "looks like the sum of a chain and `id`. Parentheses say which is meant. As the first part of a chain a merge "
        "needs none: `body + skip -> relu` is the sum, then the relu."
        + example("conv -> bn + id", "(conv -> bn) + id\nconv -> (bn + id)"),
    ),
    "E0110": Code(
        "`if` without `else`",
        "An `if` is an expression and needs a value either way. Only as an item of a list may it lack its "
        "`else`: then "
        "the item is left out."
        + example("last = if wide then relu", "last = if wide then relu else id\nfs = [bn, if wide then relu]"),
    ),
    "E0111": Code(
        "text that cannot be a label",
        "A label becomes a module's name, part of every checkpoint key below it. It is made of letters, digits, "
        "`_` and "
        "interpolations in braces, dotted where it is a path, and in quotes also of `-`. Keywords of Python are "
        "no names." + example('class: linear(10)\n"a.b": bn', "classes: linear(10)\na.b: bn"),
    ),
    "E0112": Code(
        "name given twice in one list",
        "Two parameters, or two arguments of one call, have the same name."
        + example("block basic(c, c) = conv(c, 3)", "block basic(c, stride) = conv(c, 3, stride)"),
    ),
    "E0113": Code(
        "name defined twice in a file",
        "Declarations, imports and values of a file share one space of names, and each name means one thing."
        + example("block a() = relu\nblock a() = bn", "block a() = relu\nblock b() = bn"),
    ),
    "E0114": Code(
        "statement in the wrong place",
        "A file holds imports, declarations and values. Inputs, defaults and claims belong to an architecture; "
        "what runs "
        "belongs into the braces of an architecture or a block."
        + example("output image -> relu", "arch A {\n  input image: [N, 3, 32, 32]\n  output image -> relu\n}"),
    ),
    "E0115": Code(
        "label on a plain value",
        "A colon labels a part of a network. An argument is named with `=`."
        + example("conv(64, 3, bias: true)", "conv(64, 3, bias = true)"),
    ),
    "E0116": Code(
        "doc string that documents nothing",
        "A doc string opens a file, stands directly before a declaration, or comes first within its braces. Any other "
        "remark is a `#` comment."
        + example('block a() {\n  x = in\n  """twice"""\n  output x\n}', 'block a() {\n  """Twice."""\n  output in\n}'),
    ),
    "E0117": Code(
        "escape or interpolation that is not one",
        "In a string, `{name}` inserts a value, `{{` and `}}` are the braces themselves, and `\\n`, `\\t`, "
        '`\\"`, `\\\\` are '
        "the escapes." + example('"set {1, 2"', '"set {{1, 2}}"'),
    ),
    "E0118": Code(
        "reserved word as a name",
        "`if then else for in and or not true false match` are reserved: `in` is the input of a block, the "
        "others shape "
        "expressions. All other words, `block` or `input` included, may be names." + example("for = 3", "times = 3"),
    ),
    "E0119": Code(
        "empty file",
        "The file declares nothing." + example("# to do", "block basic(c) = conv(c, 3)"),
    ),
    "E0120": Code(
        "another language's way to say it",
        "The text is how another language writes something that `.arch` writes differently. The hint gives the words."
        + example("def f(x): return x", "fn f(x) = x"),
    ),
    "E0121": Code(
        "`if` or `match` needs parentheses here",
        "`if` and `match` stand at the head of an expression: after `=`, in an argument, in an item. As an "
        "operand, or "
        "as a part of a chain, they are parenthesised, so that one sees where they end."
        + example("x -> if wide then f else g", "x -> (if wide then f else g)"),
    ),
    "E0122": Code(
        "misplaced `*rest`",
        "A `*rest` takes what is left: it comes last, once, and has no default."
        + example("block f()(*xs, y) = y", "block f()(y, *xs) = y"),
    ),
}

LIMITS_REACHED: dict[str, Code] = {
    "E0901": Code(
        "file too large",
        "A source has at most 256 KiB. Families of networks are written with parameters, lists and powers, not "
        "by hand." + example("f = conv(64, 3) -> conv(64, 3) -> ... ", "f = conv(64, 3) ** 10_000"),
    ),
    "E0902": Code(
        "nested too deep",
        "Brackets, labels, `if`s and signs nest at most 200 deep. Chains and lists may be as long as they like."
        + example("relu -> (relu -> (relu -> ...))", "relu ** 1000"),
    ),
    "E0903": Code(
        "number too large",
        "Whole numbers have at most 63 bits, other numbers are IEEE doubles."
        + example("n = 99_999_999_999_999_999_999", "n = 9_223_372_036_854_775_807"),
    ),
    "E0904": Code(
        "control character",
        "A source is text: besides tabs and line ends it holds no control characters, nor the invisible ones that "
        "change the order in which text is shown." + example("conv(64,<NUL>3)", "conv(64, 3)"),
    ),
    "E0905": Code(
        "not text in UTF-8",
        "A source is text in UTF-8. Save the file in that encoding. A picture or a checkpoint is no spec: pass the "
        "spec's own path." + example("a file in Latin-1 or UTF-16", "the same file in UTF-8"),
    ),
}

CODES: dict[str, Code] = {**SYNTAX, **LIMITS_REACHED}
