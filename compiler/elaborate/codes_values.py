"""The codes of errors about values and calls."""

from __future__ import annotations

from ...dsl.codes import Code, example

_PAIR = "block pair()(a, b) = a + b\narch A { input x: [N, 3, 8, 8]   output %s }"
_UNIT = "block unit(c, stride = 1) = conv(c, 3, stride)\narch A { input x: [N, 3, 8, 8]   output x -> %s }"
_REWRITE = "arch Dense { input x: [N, 3, 8, 8]   output x -> flatten -> linear(10) }\narch Maps = %s"


def _code(title: str, text: str, wrong: str, right: str) -> Code:
    return Code(title, text + example(wrong, right))


VALUES: dict[str, Code] = {
    "E0301": _code(
        "wrong number of tensors",
        "A layer or block takes a number of tensors side by side, and another number arrives. `each(f)` applies f to "
        "every one, and `sum`, `mean`, `max` and `concat` make one of them.",
        "output (x, x) -> conv(4, 3)",
        "output (x, x) -> each(conv(4, 3)) -> sum",
    ),
    "E0302": _code(
        "something that is no network",
        "`->`, `**` and merges work on networks: layers, blocks, lists of them, and what is composed of these.",
        "output x -> 3",
        "output x -> conv(3, 1)",
    ),
    "E0303": _code(
        "layer with a wrong setting",
        "A layer's parameters have types and ranges. `/` divides exactly, so that half of 15 channels is 7.5, which no "
        "layer has: `//` divides and rounds down.",
        "output x -> conv(15 / 2, 1)",
        "output x -> conv(15 // 2, 1)",
    ),
    "E0304": _code(
        "recursion that never ends",
        "A block is instantiated, or a function called, within itself with the same arguments and the same input, and "
        "so would do the same again. An argument must change, and an `if` stop it.",
        "block f(n) = conv(3, 3) -> f(n)\narch A { input x: [N, 3, 8, 8]   output x -> f(2) }",
        "block f(n) = if n == 0 then id else conv(3, 3) -> f(n - 1)\n"
        "arch A { input x: [N, 3, 8, 8]   output x -> f(2) }",
    ),
    "E0305": _code(
        "no output, or several",
        "A body in braces ends with `output e`. A block has one output, which may be a tuple.",
        "y = x -> relu",
        "y = x -> relu\noutput y",
    ),
    "E0306": _code(
        "arch that puts out a network",
        "An arch puts out tensors. A network there has nothing to be applied to.",
        "output conv(4, 3)",
        "output x -> conv(4, 3)",
    ),
    "E0307": _code(
        "parameter without a value",
        "A parameter that has no default must be given.",
        _UNIT % "unit()",
        _UNIT % "unit(4)",
    ),
    "E0308": _code(
        "arguments of the wrong number or kind",
        "The call does not have the form in which the block or function was declared.",
        _UNIT % "unit(4, 2, 1)",
        _UNIT % "unit(4, 2)",
    ),
    "E0309": _code(
        "no such parameter",
        "An argument is given by a name that no parameter has.",
        _UNIT % "unit(4, strid = 2)",
        _UNIT % "unit(4, stride = 2)",
    ),
    "E0310": _code(
        "argument given twice",
        "A parameter gets a value by position and another by name.",
        _UNIT % "unit(4, c = 2)",
        _UNIT % "unit(4)",
    ),
    "E0311": _code(
        "argument of another type",
        "The parameter says which values it takes: `int`, `float`, `bool`, `str`, `list`, `block`, `network`, or some "
        "values that are listed.",
        "arch A(n: 1 | 2 = 3) { input x: [N, 3]   output x }",
        "arch A(n: 1 | 2 = 2) { input x: [N, 3]   output x }",
    ),
    "E0312": _code(
        "value that cannot be inserted",
        "Braces in texts and labels insert whole numbers and strings.",
        "n = 1.5\noutput x -> unit{n}: conv(4, 3)",
        "n = 1\noutput x -> unit{n}: conv(4, 3)",
    ),
    "E0313": _code(
        "tensor to the right of an arrow",
        "`->` applies what is on its right to what is on its left; a tensor cannot be applied.",
        "output x -> (x -> relu)",
        "output x + (x -> relu)",
    ),
    "E0314": _code(
        "condition that is neither true nor false",
        "Nothing but `true` and `false` is a condition: numbers and lists are compared.",
        "n = 3\noutput x -> (if n then relu else id)",
        "n = 3\noutput x -> (if n > 0 then relu else id)",
    ),
    "E0315": _code(
        "no case matches",
        "A `match` needs a case for every value; `_` takes all the others.",
        "n = match 3 { 1 => 2 }\noutput x",
        "n = match 3 { 1 => 2, _ => 0 }\noutput x",
    ),
    "E0316": _code(
        "range between numbers that are not whole",
        "`1..n` counts, and so runs between whole numbers.",
        "n = len(1..2.5)\noutput x",
        "n = len(1..2)\noutput x",
    ),
    "E0317": _code(
        "no element to be taken",
        "`xs[0]` takes an element of a list or a tuple by its number.",
        "n = 3[0]\noutput x",
        "n = [3][0]\noutput x",
    ),
    "E0318": _code(
        "index out of range",
        "Elements count from 0; from the end, from -1.",
        "n = [1, 2][2]\noutput x",
        "n = [1, 2][1]\noutput x",
    ),
    "E0319": _code(
        "size of something that is no tensor",
        "Only tensors have sizes.",
        "n = relu.channels\noutput x",
        "n = x.channels\noutput x",
    ),
    "E0320": _code(
        "axis that a tensor does not have",
        "A vector has no height, a sequence has a length.",
        "y = x -> gap -> flatten\noutput y -> linear(y.height)",
        "y = x -> gap -> flatten\noutput y -> linear(y.channels)",
    ),
    "E0321": _code(
        "`*` before something that is no list",
        "`*xs` spreads the elements of a list or tuple.",
        "n = [*3]\noutput x",
        "n = [*[3]]\noutput x",
    ),
    "E0322": _code(
        "loop over something that is no list",
        "A loop runs over a list, a range or a tuple.",
        "for i in 3 { x = x -> relu }\noutput x",
        "for i in 1..3 { x = x -> relu }\noutput x",
    ),
    "E0323": _code(
        "names and values of different number",
        "`a, b = e` takes a list or tuple of two values apart; a `*rest` takes what is left.",
        "a, b = [1, 2, 3]\noutput x",
        "a, *b = [1, 2, 3]\noutput x",
    ),
    "E0324": _code(
        "tuple of tensors and networks",
        "A tuple holds tensors, or networks that will get the same input.",
        "output (x, relu)",
        "output (x, x -> relu)",
    ),
    "E0325": _code(
        "operator that does not work on these values",
        "Numbers are calculated with; tensors and networks are merged by `+`, `-`, `*` and `++`, scaled and shifted by "
        "numbers. Text is put together by insertion, lists by spreading.",
        'n = "a" + 1\noutput x',
        'n = "a{1}"\noutput x',
    ),
    "E0326": _code(
        "operator on tensors side by side",
        "An operator merges single tensors.",
        "output (x, x) + x",
        "output sum(x, x, x)",
    ),
    "E0327": _code(
        "operator between a tensor and a network",
        "Both operands are tensors, or both are networks.",
        "output x + relu",
        "output x + (x -> relu)",
    ),
    "E0328": _code(
        "symbolic size as a factor",
        "A network is scaled by a number that is known when it is built, and not by a size that the input brings.",
        "arch A { input x: [N, 3, H, 8]   output x -> (x.height * id) }",
        "arch A { input x: [N, 3, H, 8]   output x -> (x.width * id) }",
    ),
    "E0329": _code(
        "division by zero", "No number divided by zero is a number.", "n = 1 // 0\noutput x", "n = 1 // 2\noutput x"
    ),
    "E0330": _code(
        "number out of range",
        "Whole numbers have at most 63 bits, other numbers are finite doubles, and formulas of sizes have at most 100 "
        "terms.",
        "n = 2 ** 70\noutput x",
        "n = 2 ** 60\noutput x",
    ),
    "E0331": _code(
        "power of a tensor",
        "`**` repeats a network; the layer `power(2)` squares every number of a tensor.",
        "output x ** 2",
        "output x -> power(2)",
    ),
    "E0332": _code(
        "repetition that is no count",
        "A network is repeated a whole number of times, 0 or more.",
        "output x -> relu ** -1",
        "output x -> relu ** 0",
    ),
    "E0333": _code(
        "values that cannot be compared",
        "Numbers have an order. Tensors have no values while a network is built.",
        'n = "a" < "b"\noutput x',
        'n = "a" != "b"\noutput x',
    ),
    "E0334": _code(
        "condition that depends on the input's size",
        "One spec is one network for all the sizes that it takes, so a condition on a size must be the same for all.",
        "arch A { input x: [N, 3, H, 8]   output x -> (if x.height == 8 then relu else id) }",
        "arch A { input x: [N, 3, H, 8]   output x -> (if x.width == 8 then relu else id) }",
    ),
    "E0335": _code(
        "block that gets tensors before its parameters",
        "Positional tensors apply a block once its parameters have values.",
        "block unit(c) = conv(c, 3)\narch A { input x: [N, 3, 8, 8]   output unit(x) }",
        "block unit(c) = conv(c, 3)\narch A { input x: [N, 3, 8, 8]   output unit(4)(x) }",
    ),
    "E0336": _code(
        "network called with parameters",
        "A network has all its parameters; what it still takes is tensors.",
        "f = relu -> tanh\noutput x -> f(3)",
        "f = relu -> tanh\noutput x -> f",
    ),
    "E0337": _code(
        "value that cannot be called",
        "Blocks, layers, functions and arches are called.",
        "n = 3(4)\noutput x",
        "n = 3 * (4)\noutput x",
    ),
    "E0338": _code(
        "function that cannot take this value",
        "The function is not defined for the value.",
        "n = sqrt(-1)\noutput x",
        "n = sqrt(1)\noutput x",
    ),
    "E0339": _code(
        "initialiser with a wrong setting",
        "An initialiser's settings have ranges.",
        "f = normal(std = -1)\noutput x",
        "f = normal(std = 1)\noutput x",
    ),
    "E0340": _code(
        "tensor without a shape",
        "`param` and `buffer` take an initialiser whose first argument is a shape.",
        "param p = zeros\noutput x + p",
        "param p = zeros([1, 3, 8, 8])\noutput x + p",
    ),
    "E0341": _code(
        "tensor whose size is not fixed",
        "A tensor of a module's own is made with it, before any input is seen.",
        "arch A { input x: [N, 3, H, 8]   param p = zeros([1, 3, x.height, 8])   output x + p }",
        "arch A { input x: [N, 3, H, 8]   param p = zeros([1, 3, 1, 1])   output x * p }",
    ),
    "E0342": _code(
        "named output in a block",
        "A block has one output without a name, which may be a tuple.",
        "block b() { output a = relu }\narch A { input x: [N, 3]   output x -> b }",
        "block b() { output relu }\narch A { input x: [N, 3]   output x -> b }",
    ),
    "E0344": _code(
        "`default` without a name",
        "The settings of a `default` are named.",
        "default bn(0.1)\noutput x",
        "default bn(eps = 0.1)\noutput x",
    ),
    "E0346": _code(
        "variant of something that is no arch",
        "`arch name = ...` is another arch with arguments.",
        "block b() = relu\narch A = b",
        "arch B { input x: [N, 3]   output x -> relu }\narch A = B",
    ),
    "E0347": _code(
        "two outputs of one name",
        "With several outputs the module returns them by name.",
        "output x\noutput x -> relu",
        "output a = x\noutput b = x -> relu",
    ),
    "E0348": _code(
        "size that is none",
        "A size is a positive whole number, or a name without a value, which is a symbol for any size.",
        "arch A { input x: [N, 0]   output x }",
        "arch A { input x: [N, C]   output x }",
    ),
    "E0349": _code(
        "two inputs of one name",
        "Inputs are the arguments of the module.",
        "arch A { input x: [N, 3]   input x: [N, 4]   output x }",
        "arch A { input x: [N, 3]   input y: [N, 4]   output (x, y) }",
    ),
    "E0350": _code(
        "usual shape that the input cannot have",
        "After `=` an input has its usual shape: a number for each of its sizes, and one number for each symbol.",
        "arch A { input x: [N, 3, S, S] = [1, 3, 8, 9]   output x }",
        "arch A { input x: [N, 3, S, S] = [1, 3, 8, 8]   output x }",
    ),
    "E0351": _code(
        "`draw` of what is no choice",
        "`draw` names a random whole number, `choice(n)`, which is drawn once for each forward and which joins may "
        "share. What else is random in training is a layer, such as `dropout` and `survive`, and draws for itself.",
        "draw r = dropout(0.5)\noutput x -> relu",
        "output x -> relu -> dropout(0.5)",
    ),
    "E0352": _code(
        "`draw` before an input",
        "A number is drawn for a mini-batch or for each of its images, on the device where they are. An input says so.",
        "arch A { draw r = choice(2)   input x: [N, 3]   output (x, -x) -> drop_mean(0.1, survivor = r) }",
        "arch A { input x: [N, 3]   draw r = choice(2)   output (x, -x) -> drop_mean(0.1, survivor = r) }",
    ),
    "E0353": _code(
        "drawn number as a setting",
        "A layer is built once, and a drawn number is another at each forward. Only a join takes one, as `survivor`.",
        "draw r = choice(3)\noutput x -> dropout(r)",
        "draw r = choice(2)\noutput (x, -x) -> drop_mean(0.1, survivor = r)",
    ),
    "E0354": _code(
        "layer that no `default` replaces",
        "`default relu = elu` has another network in the place of a layer that takes one tensor and stands without "
        "arguments. A layer that needs arguments never stands so, and a merge takes several tensors.",
        "default conv = linear\noutput x -> conv(4, 3)",
        "default relu = elu\noutput x -> conv(4, 3) -> relu",
    ),
    "E0355": _code(
        "layer replaced twice",
        "An arch has one network in the place of a layer.",
        "default relu = elu\ndefault relu = silu\noutput x -> relu",
        "default relu = silu\noutput x -> relu",
    ),
    "E0356": _code(
        "`default` that replaces nothing",
        "No layer of this kind is applied without arguments, in the arch or in the blocks it uses, so what was to "
        "stand in its place would have no effect. A call with arguments, such as `leakyrelu(0.2)`, stays what it is.",
        "default leakyrelu = elu\noutput x -> leakyrelu(0.2)",
        "default leakyrelu = elu\noutput x -> leakyrelu",
    ),
    "E0360": _code(
        "rewrite of what is no arch",
        "A rewrite such as `convolutionalize` takes an arch, or an arch with arguments, and gives an arch. Layers and "
        "blocks are no arches: put them into one.",
        _REWRITE % "convolutionalize(conv)",
        _REWRITE % "convolutionalize(Dense)",
    ),
}
