"""The codes of errors about names, labels, claims, imports and limits; `codes_values` has those about values and calls.

Examples are whole specs, or the body of an arch with the input `x: [N, 3, 8, 8]`; tests elaborate them.
"""

from __future__ import annotations

from ...dsl.codes import Code, example
from .codes_values import VALUES

NAMES: dict[str, Code] = {
    "E0201": Code(
        "unknown name",
        "Names come from parameters, from `x = ...` in the same body, from the file and its imports, and from the "
        "language: its layers and functions. This one comes from nowhere. A name of another file must be imported."
        + example("output x -> convv(4, 3)", "output x -> conv(4, 3)"),
    ),
    "E0202": Code(
        "unknown type",
        "A parameter's type is `int`, `float`, `bool`, `str`, `list`, `block`, `network`, or the values that it may "
        "have: `18 | 34`. An input is `float`, `int`, `bool` or `tokens`."
        + example(
            "arch A(n: integer = 1) { input x: [N, 3]   output x }", "arch A(n: int = 1) { input x: [N, 3]   output x }"
        ),
    ),
    "E0203": Code(
        "`in` outside of a block",
        "`in` is the input of the block in which it is written. An arch names its inputs instead, and functions and "
        "files have none: what they need is passed to them." + example("output in -> relu", "output x -> relu"),
    ),
    "E0204": Code(
        "no such size",
        "Of a tensor one can ask `shape`, `rank`, `batch`, `channels`, and `length`, or `height` and `width`, or "
        "`depth`, `height` and `width`, by its axes of space."
        + example("output x -> conv(x.chanels, 1)", "output x -> conv(x.channels, 1)"),
    ),
    "E0205": Code(
        "`default` for something that is no layer",
        "`default` gives a layer of the language other settings throughout an arch. A block's defaults stand where the "
        "block is declared."
        + example("default convolution(bias = true)\noutput x", "default conv(bias = true)\noutput x"),
    ),
    "E0206": Code(
        "no arch",
        "The spec defines blocks or functions only, so there is no network to look at. An `arch` has inputs "
        "and outputs, and applies them: `arch A { input x: [N, 3, 8, 8]   output x -> unit(4) }`.",
    ),
    "E0207": Code(
        "several arches, and none was named",
        "Where a spec defines several arches, and more than one needs no parameters, it must be said which is meant: "
        "`archc stats spec.arch resnet50`.",
    ),
    "E0208": Code("no arch of this name", "The spec defines arches, and none has the name that was asked for."),
    "E0209": Code(
        "constant used above its definition",
        "Blocks, functions and arches may be used before they are defined. Constants of a file, `x = ...`, are "
        "evaluated from top to bottom, so each uses those above it."
        + example(
            "a = b\nb = 4\narch A { input x: [N, 3]   output x -> linear(a) }",
            "b = 4\na = b\narch A { input x: [N, 3]   output x -> linear(a) }",
        ),
    ),
}

SHAPES: dict[str, Code] = {}

LABELS: dict[str, Code] = {
    "E0501": Code(
        "text that cannot name a module",
        "A label becomes part of parameter names, and so do the values inserted into it. It is made of "
        "letters, digits, `_` and `-`; a dot opens a scope within a scope."
        + example('s = "a b"\noutput x -> {s}: conv(4, 3)', 's = "a_b"\noutput x -> {s}: conv(4, 3)'),
    ),
    "E0502": Code(
        "label that is a word of Python",
        "Modules, parameters and buffers are attributes of modules, and generated code must be able to name them. "
        "There `self` is the module that they belong to."
        + example('s = "lambda"\noutput x -> {s}: conv(4, 3)', 's = "lambda_"\noutput x -> {s}: conv(4, 3)'),
    ),
    "E0503": Code(
        "label that would hide a part of torch",
        "Every module has `train`, `forward`, `half` and others. A child of such a name would take their place."
        + example("output x -> half: conv(4, 3)", "output x -> half_: conv(4, 3)"),
    ),
    "E0504": Code(
        "name used twice in a scope",
        "Two parts of one scope would have the same parameter names. The same label may be met again, in a loop or a "
        "recursion, and then takes `_2`; two labels written alike may not. Elements of lists without a label have "
        "their number as a name, which a label must not take."
        + example("output x -> a: conv(4, 3) -> a: conv(4, 3)", "output x -> a: conv(4, 3) -> b: conv(4, 3)"),
    ),
    "E0505": Code(
        "named network applied twice",
        "`f = conv(64, 3)` names one network. Applied twice it could mean one set of parameters or two, so it must be "
        "said: `shared f` is one set, a `block` makes new parameters at each application."
        + example("f = conv(3, 3)\noutput x -> f -> f", "shared f = conv(3, 3)\noutput x -> f -> f"),
    ),
    "E0506": Code(
        "named network never applied",
        "A network with parameters has a name and is used nowhere: often a step that was forgotten."
        + example("f = conv(3, 3)\noutput x -> relu", "f = conv(3, 3)\noutput x -> f -> relu"),
    ),
    "E0507": Code(
        "shared network does not fit",
        "What is shared has one set of parameters, and its first application fixes their shapes. A convolution can be "
        "applied to maps of any size, but to one number of channels only; and a block that is shared must come to the "
        "same parts each time."
        + example("shared f = conv(4, 3)\noutput x -> f -> f", "shared f = conv(3, 3)\noutput x -> f -> f"),
    ),
    "E0508": Code(
        "label on something that cannot have one",
        "A label names a network, or what is applied within an expression of tensors. A numbered label, `a{1..}`, "
        "numbers the elements of a list or the applications of a power."
        + example("output x -> a{1..}: conv(4, 3)", "output x -> a{1..}: conv(4, 3) ** 2"),
    ),
    "E0509": Code(
        "parameters that no output depends on",
        "The layer is applied, and nothing uses its result, so it would never train."
        + example("y = x -> conv(4, 3)\noutput x", "y = x -> conv(4, 3)\noutput y"),
    ),
    "E0512": Code(
        "draw that no output depends on",
        "A random number is drawn at each forward, and nothing uses it."
        + example(
            "draw r = choice(2)\noutput (x, -x) -> drop_mean(0.1)",
            "draw r = choice(2)\noutput (x, -x) -> drop_mean(0.1, survivor = r)",
        ),
    ),
    "E0511": Code(
        "name that no input can have",
        "An input is an argument of the module's `forward`, so its name is not a word of Python, nor one that the "
        "generated code itself refers to, nor that of one of its sizes. Nor can an arch have inputs `x` and `X`, or "
        "`input` and `input_1`: torch's code writes names in small letters, and numbers those of Python's own."
        + example(
            "arch A { input self: [N, 3]   output self -> linear(2) }",
            "arch A { input image: [N, 3]   output image -> linear(2) }",
        ),
    ),
    "E0510": Code(
        "`order` of a part that is not there",
        "`order a, b` registers the parts of a scope in another order than that of their application, as a published "
        "checkpoint may have it. It names labels of that very scope."
        + example(
            "order b, c\noutput x -> a: conv(4, 3) -> b: conv(4, 3)",
            "order b, a\noutput x -> a: conv(4, 3) -> b: conv(4, 3)",
        ),
    ),
}

CLAIMS: dict[str, Code] = {
    "E0601": Code(
        "requirement not met",
        "The arch states by `require` what its parameters must be, and the reason is its author's."
        + example(
            'n = 3\nrequire n % 2 == 0, "n is even"\noutput x', 'n = 4\nrequire n % 2 == 0, "n is even"\noutput x'
        ),
    ),
    "E0603": Code(
        "claim that does not hold",
        "What `expect` claims was compared with what the network is. The message shows both and where the figure comes "
        "from. Where sizes are symbolic and leave it open, the claim is about the usual ones."
        + example("output x -> conv(4, 3)\nexpect params == 100", "output x -> conv(4, 3)\nexpect params == 4 * 3 * 9"),
    ),
    "E0604": Code(
        "no such figure",
        "Claims are about `params`, `buffers`, `macs`, `depth`, `shape`, `paths`, `count` and `layers`; some of "
        'them can be asked of a kind of layer or of a scope: `params(conv)`, `params("layer1.0")`.'
        + example(
            "output x -> a: conv(4, 3)\nexpect params(b) == 108", "output x -> a: conv(4, 3)\nexpect params(a) == 108"
        ),
    ),
    "E0605": Code(
        "`at` sizes that the input cannot have",
        "`expect shape at [...]` gives every size of the input a number. Fixed sizes stay what they are, and what the "
        "arch requires of the others must hold."
        + example(
            "output x\nexpect shape at [1, 4, 8, 8] == [1, 4, 8, 8]",
            "output x\nexpect shape at [1, 3, 8, 8] == [1, 3, 8, 8]",
        ),
    ),
}

IMPORTS: dict[str, Code] = {
    "E0701": Code(
        "file that cannot be read",
        "Imports are found relative to the importing file, else among the specs that ship with archc."
        '\n\nWrong:\n\n    use ResNet from "resnet.arhc"\n\nRight:\n\n    use ResNet from "zoo/resnet.arch"\n',
    ),
    "E0702": Code(
        "import from outside of the project",
        "A spec reads only the files of its own project and the specs that ship with archc, links resolved. "
        "The project is the nearest folder upwards that holds a `pyproject.toml`, an `archc.toml` or a `.git`, else "
        "the spec's own.",
    ),
    "E0703": Code(
        "imports in a circle",
        "A file imports itself, by way of others. What both need belongs into a third file, which both import.",
    ),
    "E0704": Code(
        "import of a name that the file does not have",
        "The file can be read, and neither defines nor imports the name."
        '\n\nWrong:\n\n    use resnet49 from "zoo/resnet.arch"\n\nRight:\n\n    use resnet from "zoo/resnet.arch"\n',
    ),
}

LIMITS_REACHED: dict[str, Code] = {
    "E0910": Code(
        "evaluation takes too long",
        "Evaluation ends within 2,000,000 steps. What calls itself twice doubles at each level, and so reaches any "
        "limit."
        + example(
            "fn f(n) = if n == 0 then 1 else f(n - 1) + f(n - 1)\n"
            "arch A { input x: [N, 3]   output x -> linear(f(60)) }",
            "fn f(n) = 2 ** n\narch A { input x: [N, 3]   output x -> linear(f(6)) }",
        ),
    ),
    "E0911": Code(
        "instantiations nested too deep",
        "Blocks and functions may be instantiated within each other 200 deep. A recursion needs an `if` that ends it."
        + example(
            "block f(n) = conv(3, 3) -> f(n - 1)\narch A { input x: [N, 3, 8, 8]   output x -> f(4) }",
            "block f(n) = if n == 0 then id else conv(3, 3) -> f(n - 1)\n"
            "arch A { input x: [N, 3, 8, 8]   output x -> f(4) }",
        ),
    ),
    "E0912": Code(
        "too many nodes",
        "A network has at most 250,000 nodes; powers within powers multiply."
        + example("output x -> relu ** 10 ** 9", "output x -> relu ** 10"),
    ),
    "E0913": Code(
        "too many edges",
        "A network has at most 1,000,000 edges, and no more tensors stand side by side. Tuples of tuples are flat, "
        "so a repeated pair doubles at each level."
        + example("output x -> (id, id) ** 40 -> sum", "output x -> (id, id) ** 4 -> sum"),
    ),
    "E0914": Code(
        "list or text too long",
        "A list holds at most 1,000,000 values, those of lists in it included, and a text 262,144 characters."
        + example("n = len(1..9_000_000)\noutput x", "n = len(1..9_000)\noutput x"),
    ),
    "E0915": Code("too many imports", "A spec imports at most 100 files, those that its imports import included."),
}

CODES: dict[str, Code] = {**NAMES, **VALUES, **SHAPES, **LABELS, **CLAIMS, **IMPORTS, **LIMITS_REACHED}
