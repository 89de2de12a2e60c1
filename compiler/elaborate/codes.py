"""The codes of errors about names, values, labels, claims and imports, and of an evaluation's limits."""

from __future__ import annotations

from ...dsl.codes import Code
from ...dsl.codes import _example as example

NAMES: dict[str, Code] = {
    "E0201": Code(
        "unknown name",
        "Neither the body, nor the parameters, nor the file with its imports, nor the language defines the name. The "
        "nearest known names are offered. In a body a name is known from the statement on that defines it; what a file "
        "declares is known in all of it." + example("x -> cnov(64, 3)", "x -> conv(64, 3)"),
    ),
    "E0202": Code(
        "unknown type",
        "A parameter's type is `int`, `float`, `bool`, `str`, `list`, `block`, `network`, or literal values with `|` "
        "between them. An input holds `float`, `int` or `bool`."
        + example("input tokens: long [N, 16]\noutput tokens", "input tokens: int [N, 16]\noutput tokens"),
    ),
    "E0203": Code(
        "`in` outside of a block",
        "`in` is the input of the block in whose text it stands. An architecture names its inputs, a function has none."
        + example(
            "output in -> conv(64, 3)",
            "input image: [N, 3, 32, 32]\noutput image -> conv(64, 3)",
        ),
    ),
    "E0204": Code(
        "unknown size of a tensor",
        "A tensor has `shape`, `batch`, `channels`, `rank`, and by its kind `height`, `width`, `length` or `depth`."
        + example("output x -> conv(x.filters, 3)", "output x -> conv(x.channels, 3)"),
    ),
    "E0205": Code(
        "default of something that is no layer",
        "`default` sets parameters of a layer of the language for a whole architecture. The parameters of a block get "
        "defaults where the block is declared."
        + example(
            "default batchnorm(eps = 0.001)\noutput x -> bn",
            "default bn(eps = 0.001)\noutput x -> bn",
        ),
    ),
    "E0206": Code(
        "no architecture in the spec",
        "The file holds blocks or functions only, which others import. An `arch` is what can be compiled, counted and "
        "drawn; `archc check` takes a file without one.",
    ),
    "E0207": Code(
        "several architectures, and none is named",
        "The file defines more than one architecture that could be meant. Name one: `archc compile my.arch resnet50`, "
        '`archc.load("my.arch", "resnet50")`.',
    ),
    "E0208": Code(
        "no such architecture in the spec",
        "The file defines no architecture of this name. `archc list FILE` shows what it defines.",
    ),
}

VALUES: dict[str, Code] = {
    "E0301": Code(
        "wrong number of tensors",
        "Most layers take one tensor; a block takes as many as its second list of parameters names. Tensors that stand "
        "side by side are merged (`sum`, `concat`), or treated one by one (`each`)."
        + example("(conv(8, 3), conv(8, 1)) -> relu -> sum", "(conv(8, 3), conv(8, 1)) -> each(relu) -> sum"),
    ),
    "E0302": Code(
        "network needed",
        "Networks are layers, blocks, lists of them, and what operators make of them. A number, a string, a function or "
        "an architecture cannot be applied to a tensor."
        + example("fn twice(c) = 2 * c\noutput x -> twice(8)", "fn twice(c) = 2 * c\noutput x -> conv(twice(8), 3)"),
    ),
    "E0303": Code(
        "wrong argument of a layer",
        "A layer's argument is missing, unknown, given twice, or of the wrong kind. The reference of layers lists the "
        "arguments. A common cause is `/`, which divides exactly: write `//` for whole channels."
        + example("conv(15 / 2, 3)", "conv(15 // 2, 3)"),
    ),
    "E0304": Code(
        "recursion without an end",
        "A block is instantiated inside itself with the same arguments and the same shape, or a function calls itself "
        "with the same arguments. Recursion needs an argument that changes and an `if` that stops it."
        + example(
            "block deep(n) = conv(8, 3) -> deep(n)\narch A { input x: [N, 8, 32, 32]  output x -> deep(3) }",
            "block deep(n) = if n == 0 then id else conv(8, 3) -> deep(n - 1)\n"
            "arch A { input x: [N, 8, 32, 32]  output x -> deep(3) }",
        ),
    ),
    "E0305": Code(
        "not exactly one `output`",
        "A block with a body in braces has one `output`; several tensors are put out as a tuple. An architecture has at "
        "least one."
        + example(
            "block pair() { output relu  output sigmoid }\narch A { input x: [N, 3, 32, 32]  output x -> pair -> sum }",
            "block pair() { output (relu, sigmoid) }\narch A { input x: [N, 3, 32, 32]  output x -> pair -> sum }",
        ),
    ),
    "E0306": Code(
        "output that is no tensor",
        "In an architecture `output` takes tensors, so it starts from an input. Only in a block may it take a network, "
        "which is applied to `in`." + example("output conv(8, 3)", "output x -> conv(8, 3)"),
    ),
    "E0307": Code(
        "missing argument",
        "The block, function or architecture has a parameter without a default, and the call does not give it."
        + example(
            "block unit(c, k) = conv(c, k)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8) }",
            "block unit(c, k = 3) = conv(c, k)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8) }",
        ),
    ),
    "E0308": Code(
        "too many arguments, or arguments of the wrong kind",
        "The call gives more than the declaration takes, or a built-in function gets what it does not work on."
        + example(
            "block unit(c) = conv(c, 3)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8, 2) }",
            "block unit(c, stride = 1) = conv(c, 3, stride)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8, 2) }",
        ),
    ),
    "E0309": Code(
        "unknown parameter",
        "The declaration has no parameter of this name."
        + example("default bn(epsilon = 0.001)\noutput x -> bn", "default bn(eps = 0.001)\noutput x -> bn"),
    ),
    "E0310": Code(
        "parameter given twice",
        "Once by position and once by name. Keep one of them."
        + example(
            "block unit(c) = conv(c, 3)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8, c = 16) }",
            "block unit(c) = conv(c, 3)\narch A { input x: [N, 3, 32, 32]  output x -> unit(c = 16) }",
        ),
    ),
    "E0311": Code(
        "argument of the wrong type",
        "The parameter has a type, and the argument is none of its values. `int` is a whole number, `float` any number, "
        "`block` something that can be called, `network` something that can be applied."
        + example(
            "block unit(c: int) = conv(c, 3)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8.5) }",
            "block unit(c: int) = conv(c, 3)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8) }",
        ),
    ),
    "E0312": Code(
        "value that cannot be interpolated",
        "Braces in a label or a string insert a whole number or a string."
        + example("layer{3 / 2}: conv(8, 3)", "layer{3 // 2}: conv(8, 3)"),
    ),
    "E0313": Code(
        "tensor where a network is needed",
        "`->` applies the network on its right to the tensor on its left. A tensor can only be first; two tensors are "
        "merged." + example("y = x -> conv(3, 3)\noutput x -> y", "y = x -> conv(3, 3)\noutput x + y"),
    ),
    "E0314": Code(
        "condition that is neither true nor false",
        "Numbers, lists and networks are not conditions. Compare them."
        + example("n = 3\noutput x -> (if n then relu else id)", "n = 3\noutput x -> (if n > 0 then relu else id)"),
    ),
    "E0315": Code(
        "no case matches",
        "`match` takes the first case that equals the value, and there is none. `_ => ...` takes all that is left."
        + example(
            "f = match 3 { 1 => relu, 2 => sigmoid }\noutput x -> f",
            "f = match 3 { 1 => relu, 2 => sigmoid, _ => id }\noutput x -> f",
        ),
    ),
    "E0316": Code(
        "range or numbering that is not whole",
        "Ranges run between whole numbers, and numbered labels start from one. `/` divides exactly; `//` rounds down."
        + example("output x -> [conv(8, 3) for _ in 1..5 / 2]", "output x -> [conv(8, 3) for _ in 1..5 // 2]"),
    ),
    "E0317": Code(
        "index into something that is no list",
        "Lists and tuples have elements, `xs[0]` the first. The sizes of a tensor are `x.channels`, `x.shape[0]`."
        + example("output x -> conv(x[1], 3)", "output x -> conv(x.shape[1], 3)"),
    ),
    "E0318": Code(
        "no such element",
        "Indices run from 0 to the length less one, or from -1 backwards."
        + example("c = [8, 16]\noutput x -> conv(c[2], 3)", "c = [8, 16]\noutput x -> conv(c[1], 3)"),
    ),
    "E0319": Code(
        "size of something that is no tensor",
        "Only tensors have sizes. A network has none until it is applied: apply it, and ask the result."
        + example(
            "f = conv(8, 3)\noutput x -> f -> conv(f.channels, 1)",
            "y = x -> conv(8, 3)\noutput y -> conv(y.channels, 1)",
        ),
    ),
    "E0320": Code(
        "size that this tensor lacks",
        "A map has a height and a width; a vector has neither, and tokens have a length."
        + example(
            "y = x -> gap -> flatten\noutput y -> linear(y.height)",
            "y = x -> gap -> flatten\noutput y -> linear(y.channels)",
        ),
    ),
    "E0321": Code(
        "`*` on something that is no list",
        "`*xs` spreads the elements of a list or tuple into a list, a tuple or a call."
        + example("[*conv(8, 3), relu]", "[conv(8, 3), relu]"),
    ),
    "E0322": Code(
        "loop over something that is no list",
        "`for` runs over a list, a tuple or a range. A count is written as one: `1..n`."
        + example("output x -> [conv(8, 3) for _ in 3]", "output x -> [conv(8, 3) for _ in 1..3]"),
    ),
    "E0323": Code(
        "names and values differ in number",
        "Several names take a list or tuple of as many values apart; a `*rest` among them takes what is left over."
        + example("a, b = [8, 16, 32]\noutput x -> conv(a, 3)", "a, *b = [8, 16, 32]\noutput x -> conv(a, 3)"),
    ),
    "E0324": Code(
        "tuple of tensors and networks",
        "Things stand side by side as tensors or as networks, not as a mix of both. Apply the network."
        + example("output (x, relu) -> sum", "output (x, x -> relu) -> sum"),
    ),
    "E0325": Code(
        "operator that does not work on these values",
        "Numbers are calculated with. Networks and tensors are merged by `+`, `-`, `*` and `++`, and scaled and shifted "
        "by numbers. Strings and booleans are neither, and lists are joined by `[*a, *b]`."
        + example("conv(8, 3) // 2", "conv(8 // 2, 3)"),
    ),
    "E0326": Code(
        "operator on a tuple",
        "Operators merge single tensors. Tensors that stand side by side are merged by `sum`, `mean`, `max` or `concat`, "
        "and treated one by one by `each`."
        + example(
            "ys = x -> conv(8, 3) -> split(2)\noutput ys + 1",
            "ys = x -> conv(8, 3) -> split(2)\noutput ys -> sum",
        ),
    ),
    "E0327": Code(
        "operator on a tensor and a network",
        "Operands are tensors, or networks with one common input. For a mix, apply the network first."
        + example("output x + conv(3, 3)", "output x + (x -> conv(3, 3))"),
    ),
    "E0328": Code(
        "symbolic size where a number is needed",
        "A size that is left open has no value while the network is built. Fix it in the `input` statement, or make the "
        "number a parameter."
        + example(
            "input image: [N, 3, H, W]\noutput image.height * image",
            "input image: [N, 3, 32, W]\noutput image.height * image",
        ),
    ),
    "E0329": Code(
        "division by zero",
        "The divisor of `/`, `//` or `%` is 0, or 0 is raised to a negative power. It often comes from the value of a "
        "parameter."
        + example("n = 0\noutput x -> conv(64 // n, 3)", "n = 4\noutput x -> conv(64 // n, 3)"),
    ),
    "E0330": Code(
        "number out of range",
        "Whole numbers have at most 63 bits; doubles are finite. A power or a product is larger than was meant."
        + example("n = 2 ** 100\noutput x -> conv(n, 3)", "n = 2 ** 10\noutput x -> conv(n, 3)"),
    ),
    "E0331": Code(
        "power of a tensor",
        "`f ** n` repeats a network. The numbers of a tensor are raised to a power by the layer `power`."
        + example("output x ** 2", "output x -> power(2)"),
    ),
    "E0332": Code(
        "repetition that is no whole number",
        "A network is repeated 0 times or more, a whole number of times."
        + example("conv(8, 3) ** (5 / 2)", "conv(8, 3) ** (5 // 2)"),
    ),
    "E0333": Code(
        "values that cannot be compared",
        "Numbers have an order, other values are equal or not. Tensors have no values while a network is built; their "
        "sizes can be compared."
        + example(
            'f = if "b" > "a" then relu else id\noutput x -> f',
            'f = if "b" == "a" then relu else id\noutput x -> f',
        ),
    ),
    "E0334": Code(
        "condition that depends on an open size",
        "The condition is true for some sizes of the input and false for others, so there is no one network. Fix the "
        "size in the `input` statement, or decide on a parameter."
        + example(
            "input image: [N, 3, H, W]\noutput image -> (if image.height > 100 then maxpool(2) else id)",
            "input image: [N, 3, 128, W]\noutput image -> (if image.height > 100 then maxpool(2) else id)",
        ),
    ),
    "E0335": Code(
        "block applied to tensors without its parameters",
        "Positional arguments that are tensors apply a block, which needs its own parameters first."
        + example(
            "block unit(c) = conv(c, 3)\narch A { input x: [N, 3, 32, 32]  output unit(x) }",
            "block unit(c) = conv(c, 3)\narch A { input x: [N, 3, 32, 32]  output x -> unit(8) }",
        ),
    ),
    "E0336": Code(
        "network called with arguments",
        "The network has its parameters already. What it is called with can only be tensors."
        + example(
            "act = conv(8, 3) -> relu\noutput x -> act(2)",
            "block act(stride) = conv(8, 3, stride) -> relu\noutput x -> act(2)",
        ),
    ),
    "E0337": Code(
        "value that cannot be called",
        "Blocks, layers, functions and architectures are called. An operator before the parenthesis may be missing."
        + example("n = 3\noutput x -> conv(2 * n(4), 3)", "n = 3\noutput x -> conv(2 * n * 4, 3)"),
    ),
    "E0338": Code(
        "function outside of its domain",
        "The function is defined, but not for this value: the root of a negative number, pairs of lists of unequal "
        "length, the largest of no numbers."
        + example(
            "output x -> [conv(c, k) for c, k in zip([8, 16], [3])]",
            "output x -> [conv(c, k) for c, k in zip([8, 16], [3, 1])]",
        ),
    ),
    "E0339": Code(
        "wrong setting of an initialiser",
        "The reference of layers lists what each initialiser takes."
        + example("conv(8, 3, init = normal(stddev = 0.01))", "conv(8, 3, init = normal(std = 0.01))"),
    ),
    "E0340": Code(
        "tensor of one's own without an initialiser",
        "`param` and `buffer` take an initialiser with a shape, which says how many numbers there are and how they "
        "start."
        + example("param scale = 1.0\noutput x * scale", "param scale = ones([1, 3, 1, 1])\noutput x * scale"),
    ),
    "E0341": Code(
        "parameter of an open size",
        "Parameters are made when the module is built, so their sizes are numbers then."
        + example(
            "input image: [N, 3, H, W]\nparam p = zeros([1, 3, image.height, image.width])\noutput image + p",
            "input image: [N, 3, 32, 32]\nparam p = zeros([1, 3, image.height, image.width])\noutput image + p",
        ),
    ),
    "E0342": Code(
        "named or conditional output of a block",
        "Only the outputs of an architecture have names, or `when training`. A block puts several tensors out as a tuple."
        + example(
            "block b() { output a = in }\narch A { input x: [N, 3, 32, 32]  output x -> b }",
            "block b() { output in }\narch A { input x: [N, 3, 32, 32]  output x -> b }",
        ),
    ),
    "E0343": Code(
        "`default` outside of an architecture",
        "`default` holds for a whole architecture and everything that it uses, so it stands in its braces.",
    ),
    "E0344": Code(
        "setting of a `default` without a name",
        "The settings of a `default` are given by name." + example(
            "default bn(0.001)\noutput x -> bn", "default bn(eps = 0.001)\noutput x -> bn"
        ),
    ),
    "E0345": Code(
        "`input` in a block",
        "A block takes what is piped into it: `in`, or the names in its second list of parameters.",
    ),
    "E0346": Code(
        "variant that is no architecture",
        "`arch a = ...` is another architecture, with arguments or without, or a choice among some."
        + example(
            "arch A = conv(8, 3)",
            "arch Base(c: int) { input x: [N, 3, 32, 32]  output x -> conv(c, 3) }\narch A = Base(8)",
        ),
    ),
    "E0347": Code(
        "two outputs of one name",
        "With several outputs the module returns a dict, so each has a name of its own. One without a name is `out`."
        + example("output x -> relu\noutput x -> tanh", "output x -> relu\noutput other = x -> tanh"),
    ),
    "E0348": Code(
        "size that is no size",
        "A size is a positive whole number, a name that is left open, or an expression in these. The first is the batch."
        + example("input image: [N, 3, 0, 32]\noutput image", "input image: [N, 3, 32, 32]\noutput image"),
    ),
    "E0349": Code(
        "two inputs of one name",
        "Inputs are the arguments of the module, so each has a name of its own."
        + example(
            "input a: [N, 3, 32, 32]\ninput a: [N, 1, 32, 32]\noutput a",
            "input a: [N, 3, 32, 32]\ninput b: [N, 1, 32, 32]\noutput a * b",
        ),
    ),
    "E0350": Code(
        "usual shape that does not fit",
        "The usual shape gives every size a number: fixed sizes their own, and each symbol one value everywhere."
        + example(
            "input image: [N, 3, 32 * h, W] = [1, 3, 100, 64]\noutput image",
            "input image: [N, 3, 32 * h, W] = [1, 3, 96, 64]\noutput image",
        ),
    ),
    "E0399": Code(
        "not carried out by this version",
        "The form belongs to the language: it parses and is laid out, but this version does not build it."
        + example("x -> conv(3, 3) -> survive(0.8)", "x -> conv(3, 3)"),
    ),
}

SIZES: dict[str, Code] = {
    "E0430": Code(
        "usual size that is not legal",
        "What a network needs of sizes that are left open becomes a requirement. It has to hold at the usual size, where "
        "figures are counted and the module is first run. Give another usual size, or change the layer: a window that fits, "
        "a padding, an upsampling that undoes a pool."
        + example(
            "input image: [N, 3, H, W] = [1, 3, 63, 64]\noutput image + (image -> maxpool(2) -> upsample(2))",
            "input image: [N, 3, H, W] = [1, 3, 64, 64]\noutput image + (image -> maxpool(2) -> upsample(2))",
        ),
    ),
}

LABELS: dict[str, Code] = {
    "E0501": Code(
        "label that cannot name a module",
        "A segment of a label starts with a letter or a digit and holds letters, digits, `_` and `-`."
        + example('kind = "a b"\noutput x -> {kind}: conv(8, 3)', 'kind = "a-b"\noutput x -> {kind}: conv(8, 3)'),
    ),
    "E0502": Code(
        "label that is a word of Python",
        "Modules are attributes, so a keyword such as `class` or `lambda` cannot name one. Interpolation can make such a "
        "label too."
        + example(
            'kind = "class"\noutput x -> {kind}: conv(10, 1)',
            'kind = "classes"\noutput x -> {kind}: conv(10, 1)',
        ),
    ),
    "E0503": Code(
        "label that hides an attribute of torch",
        "Every torch module has attributes such as `forward`, `train` or `parameters`, which a child of that name would "
        "hide." + example("forward: conv(8, 3)", "forwards: conv(8, 3)"),
    ),
    "E0504": Code(
        "label used twice in a scope",
        "Labels name parameters, so no two parts of a scope have the same. A label that is met again because its block is "
        "applied again gets `_2` instead."
        + example("a: conv(8, 3) -> a: conv(8, 3)", "a: conv(8, 3) -> b: conv(8, 3)"),
    ),
    "E0505": Code(
        "network with parameters applied twice",
        "Applying a network makes parameters. Whether a second application should use the same or new ones cannot be "
        "guessed: `shared f = e` shares them, `block f() = e` makes new ones."
        + example("f = conv(3, 3)\noutput x -> f -> f", "shared f = conv(3, 3)\noutput x -> f -> f"),
    ),
    "E0506": Code(
        "network with parameters never applied",
        "The body names a network, and nothing applies it. Its parameters would not exist."
        + example("f = conv(3, 3)\noutput x -> relu", "f = conv(3, 3)\noutput x -> f -> relu"),
    ),
    "E0507": Code(
        "shared network that does not fit",
        "The first application fixes the shapes of the parameters, and each later one must do with them."
        + example(
            "shared f = conv(8, 3)\noutput x -> f -> f",
            "shared f = conv(8, 3)\noutput x -> conv(8, 1) -> f -> f",
        ),
    ),
    "E0508": Code(
        "label on something that is no network",
        "A label names a part of a network. A numbered label, `a{1..}:`, numbers a list or a power."
        + example("a{1..}: conv(8, 3)", "a{1..}: conv(8, 3) ** 2"),
    ),
    "E0509": Code(
        "layer on which no output depends",
        "The layer has parameters, and its result is not used. They would never train."
        + example("y = x -> conv(8, 3)\noutput x -> relu", "y = x -> conv(8, 3)\noutput y -> relu"),
    ),
    "E0510": Code(
        "`order` of something that is no part",
        "`order` names labels of the scope in which it stands."
        + example("order b, c\noutput x -> a: conv(8, 3) -> b: bn", "order b, a\noutput x -> a: conv(8, 3) -> b: bn"),
    ),
}

CLAIMS: dict[str, Code] = {
    "E0601": Code(
        "requirement that does not hold",
        "A `require` says which values of the parameters make sense, and these do not."
        + example(
            'n = 5\nrequire n % 2 == 0, "n is even"\noutput x',
            'n = 6\nrequire n % 2 == 0, "n is even"\noutput x',
        ),
    ),
    "E0602": Code(
        "`expect` in a block",
        "`expect` states a claim about an architecture. In a block, `require` constrains the parameters.",
    ),
    "E0603": Code(
        "claim that does not hold",
        "The figure was computed and is not what `expect` says. The message shows both, and where most of the figure "
        "comes from. Frequent causes are a bias (`conv` has none unless told), the parameters of norms, and figures in "
        "papers that are rounded."
        + example(
            "output x -> conv(8, 3)\nexpect params == 224",
            "output x -> conv(8, 3, bias = true)\nexpect params == 224",
        ),
    ),
    "E0604": Code(
        "figure that there is not",
        "The figures are `params`, `buffers`, `macs`, `depth`, `shape`, `paths`, `count` and `layers`. Asked of a part, "
        "they need a kind of layer or a scope that the architecture has."
        + example(
            "output x -> a: conv(8, 3)\nexpect params(b) == 216", "output x -> a: conv(8, 3)\nexpect params(a) == 216"
        ),
    ),
    "E0605": Code(
        "`at` sizes that the input cannot have",
        "`at` gives a number for each size of the input. Fixed sizes keep their value, and what the architecture requires "
        "of the others must hold."
        + example(
            "input image: [N, 3, H, W]\noutput image\nexpect shape at [1, 4, 32, 32] == [1, 4, 32, 32]",
            "input image: [N, 3, H, W]\noutput image\nexpect shape at [1, 3, 32, 32] == [1, 3, 32, 32]",
        ),
    ),
}

IMPORTS: dict[str, Code] = {
    "E0701": Code(
        "file that cannot be read",
        "A path in `use` is relative to the importing file, or else to the specs that ship with archc."
        + example(
            'use basic from "resnet-50.arch"',
            'use basic from "zoo/resnet.arch"',
        ),
    ),
    "E0702": Code(
        "import from outside of the project",
        "A spec imports files of its own project and the specs that ship with archc. The project's folder is the nearest "
        "one upwards that holds a `pyproject.toml`, an `archc.toml` or a `.git`, else the folder of the spec. Links are "
        "resolved first."
        + example('use basic from "/etc/resnet.arch"', 'use basic from "zoo/resnet.arch"'),
    ),
    "E0703": Code(
        "imports in a circle",
        "A file imports itself, by way of others. What both need belongs into a third file.",
    ),
    "E0704": Code(
        "name that the imported file does not define",
        "Names are imported one by one, and the file must define or import each of them."
        + example('use basik from "zoo/resnet.arch"', 'use basic from "zoo/resnet.arch"'),
    ),
}

BUDGETS: dict[str, Code] = {
    "E0910": Code(
        "evaluation takes too many steps",
        "Evaluating the spec takes more steps than any sensible network needs. A recursion or nested loops multiply "
        "faster than was meant.",
    ),
    "E0911": Code(
        "instantiations nested too deep",
        "Blocks and functions are called inside one another deeper than the limit. A recursion may have no end: its "
        "argument changes, and the condition that should stop it never holds."
        + example(
            "block deep(n) = if n == 0 then id else relu -> deep(n - 1)\n"
            "arch A { input x: [N, 8, 32, 32]  output x -> deep(-1) }",
            "block deep(n) = if n == 0 then id else relu -> deep(n - 1)\n"
            "arch A { input x: [N, 8, 32, 32]  output x -> deep(3) }",
        ),
    ),
    "E0912": Code(
        "network with too many nodes",
        "A power or a recursion repeats more than was meant: counts multiply at every level."
        + example("relu ** 1_000_000", "relu ** 100"),
    ),
    "E0913": Code(
        "network with too many edges",
        "The nodes of the network take more tensors in all than the limit. Dense connections grow with the square of the "
        "depth; concatenating along the way (`id ++ f`) needs two for each layer.",
    ),
    "E0914": Code(
        "value too large",
        "A list, a range or a text has more elements than a spec may hold."
        + example("output x -> [relu for _ in 1..10 ** 9]", "output x -> [relu for _ in 1..10]"),
    ),
    "E0915": Code(
        "too many files",
        "A spec imports more files, directly or through others, than the limit. Several declarations can stand in one "
        "file.",
    ),
}

CODES: dict[str, Code] = {**NAMES, **VALUES, **SIZES, **LABELS, **CLAIMS, **IMPORTS, **BUDGETS}
