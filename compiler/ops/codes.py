"""The codes of errors about shapes."""

from __future__ import annotations

from ...dsl.codes import Code, example

CODES: dict[str, Code] = {
    "E0401": Code(
        "layer gets a tensor of the wrong kind",
        "Layers say what they work on. A convolution and a pool want a map with the channels right after the batch, "
        "[N, C, L], [N, C, H, W] or [N, C, D, H, W]; a dense layer works on vectors [N, C] and tokens [N, T, C]. What "
        "was a map before `flatten` is a vector after it."
        + example("flatten -> conv(64, 3)", "conv(64, 3) -> flatten"),
    ),
    "E0402": Code(
        "dense layer on a map",
        "`linear` has one weight for each number that it gets, and so needs a fixed number of them. A map has as many "
        "places as the input makes it have. Pool it to one place (`gap`), pool it to a fixed number "
        "(`adaptive_avgpool(7)`), or apply the dense layer at every place, as a convolution with a kernel of 1. Where "
        "the map has one size, `flatten` takes all of it."
        + example("conv(512, 3) -> linear(10)", "conv(512, 3) -> gap -> linear(10)"),
    ),
    "E0403": Code(
        "groups do not divide the channels",
        "A layer in groups gives each group the same number of channels. So the groups must divide the channels that "
        "come in and, for a convolution, those that go out."
        + example("conv(64, 3) -> conv(64, 3, groups = 3)", "conv(64, 3) -> conv(64, 3, groups = 4)"),
    ),
    "E0404": Code(
        "window larger than the map",
        "Each stride and each pool makes a map smaller. Here the window is larger than what is left with its padding, "
        "so that the output would have no place at all. Take fewer of them, a larger input, or more padding."
        + example("input x: [N, 3, 8, 8]   x -> maxpool(2) ** 4", "input x: [N, 3, 32, 32]   x -> maxpool(2) ** 4"),
    ),
    "E0405": Code(
        "shapes that should be equal differ",
        "A sum takes tensors of one shape, and a concatenation tensors that agree in all axes but one. Somewhere above "
        "the merge one branch changed the channels or the size, and the other did not. A 1x1 convolution with the same "
        "stride makes the shortcut follow. Only a product stretches a map of size 1."
        + example("conv(64, 3, 2) + id", "conv(64, 3, 2) + conv(64, 1, 2)"),
    ),
    "E0406": Code(
        "size that must be a number",
        "Weights are made when the module is built, and so what they are made for must be a number then: channels, "
        "units, kernels. Only the batch and the axes of space may be left open."
        + example("input x: [N, C, H, W]   x -> conv(64, 3)", "input x: [N, 3, H, W]   x -> conv(64, 3)"),
    ),
    "E0407": Code(
        "settings do not fit the input",
        "The layer's settings are well formed, but do not go with this input: a list of kernels for two axes on a map "
        "with one, a padding of more than half a pool's window, a bias with more numbers than there are channels, real "
        "numbers wanted and whole ones given." + example("maxpool(2, padding = 2)", "maxpool(5, padding = 2)"),
    ),
    "E0408": Code(
        "reshape to another number of elements",
        "`reshape` puts the same numbers into other sizes, so that the sizes' product stays. The batch is left out of "
        "the list. One size may be -1: it is found from the others."
        + example("linear(6) -> reshape([3, 3])", "linear(6) -> reshape([2, 3])"),
    ),
    "E0409": Code(
        "pattern does not fit the tensor",
        "A pattern of `rearrange` names every axis of the tensor, batch first. An axis that is split must divide by "
        "the sizes given for its parts, and all parts but one need a size."
        + example(
            'rearrange("n c (h p) w -> n (c p) h w", p = 3)   # a height of 32',
            'rearrange("n c (h p) w -> n (c p) h w", p = 4)',
        ),
    ),
    "E0410": Code(
        "part beyond the tensor",
        "A crop, a slice or a selection must lie inside the tensor, and padding that mirrors or wraps takes its rows "
        "from it. The message says which axis is too short."
        + example(
            "input x: [N, 3, 32, 32]   x -> crop(4, size = 32)", "input x: [N, 3, 40, 40]   x -> crop(4, size = 32)"
        ),
    ),
    "E0411": Code(
        "embedding of real numbers",
        "`embedding` looks a vector up for each whole number, such as a word's index. Declare the input's numbers "
        "whole; real numbers are mapped by `linear`."
        + example("conv(64, 3) -> embedding(1000, 64)", "embedding(1000, 64)"),
    ),
    "E0412": Code(
        "heads do not divide the channels",
        "Attention gives every head an equal part of the channels, and so the heads must divide them."
        + example("linear(100) -> attention(12)", "linear(96) -> attention(12)"),
    ),
    "E0413": Code(
        "join of more columns than are drawn from",
        "The `survivor` of a join is one of n columns, and a join has at most one input for each of them."
        + example(
            "draw r = choice(2)\noutput (x, x, x) -> drop_mean(0.1, survivor = r)",
            "draw r = choice(3)\noutput (x, x, x) -> drop_mean(0.1, survivor = r)",
        ),
    ),
    "E0414": Code(
        "cycle in which an input has no turn",
        "With a cycle the inputs of `freeze_drop_path` take turns, each as often as its chance says. In a short cycle "
        "an input with a small chance is never chosen, and so it would not train."
        + example("(id, id, id) -> freeze_drop_path(cycle = 2)", "(id, id, id) -> freeze_drop_path(cycle = 14)"),
    ),
    "E0420": Code(
        "axis that the tensor lacks",
        'Axes are named (`"channels"`, `"height"`) or numbered from 0, the batch, and from -1 at the end. A tensor has '
        "the axes that the message lists; the batch itself stays as it is."
        + example("gap -> linear(10) -> softmax(2)", "gap -> linear(10) -> softmax(1)"),
    ),
    "E0421": Code(
        "axis does not divide",
        "Parts of equal size need an axis that divides by their number, and shuffling pixels by a factor needs "
        "channels that divide by its square."
        + example("conv(6, 3) -> pixel_shuffle(2)", "conv(8, 3) -> pixel_shuffle(2)"),
    ),
    "E0423": Code(
        "division by zero",
        "A tensor is divided by a number that is 0. It often comes from a parameter's value."
        + example("block b(s = 0) = conv(64, 3) / s", "block b(s = 1) = conv(64, 3) / s"),
    ),
    "E0430": Code(
        "usual size that is not legal",
        "What a network needs of the sizes that are left open becomes a requirement. It has to hold at the usual size, "
        "where figures are counted and the module is first run. Give another usual size, or change the layer: a window "
        "that fits, a padding, an upsampling that undoes a pool."
        + example(
            "input image: [N, 3, H, W] = [1, 3, 63, 64]\noutput image + (image -> maxpool(2) -> upsample(2))",
            "input image: [N, 3, H, W] = [1, 3, 64, 64]\noutput image + (image -> maxpool(2) -> upsample(2))",
        ),
    ),
}
