"""The codes of rewrites that cannot be done."""

from __future__ import annotations

from ...dsl.codes import Code, example

_DENSE = "arch Dense {\n  input x: [N, 3, 8, 8]\n  output x -> conv(4, 3) -> %s\n}\narch Maps = convolutionalize(Dense)"
_UNITS = (
    "block unit() = id + body: (conv(4, 3) -> relu -> conv(4, 3)) -> relu\n"
    "arch Net {\n  input x: [N, 4, 8, 8]\n  output x -> u1: unit() -> u2: unit() -> last: conv(6, 3, 2)\n}\n"
    "arch Other = %s"
)
_COLUMNS = (
    "arch Net {\n  input x: [N, 4, 8, 8]\n  output x -> (a: conv(4, 3), b: conv(4, 3) ** 2) -> drop_mean(0.15)\n}\n"
    "arch Column = extract_column(Net, column = %d)"
)
_FOLD = "arch Net {\n  input x: [N, 4, 8, 8]\n  %s\n}\narch Folded = fold_batch_norm(Net)"
_CLASSES = (
    "arch Net {\n  input x: [N, 4, 8, 8]\n  output x -> gap -> %s\n}\narch Other = change_classes(Net, classes = 3)"
)
_MERGE = (
    "arch Net {\n  input x: [N, 4, 8, 8]\n  output x -> sum(a: %s)\n}\n"
    'arch Merged = merge_branches(Net, modules = ["a", "b"])'
)
_SPLIT = (
    "arch Net {\n  input x: [N, 8, 8, 8]\n  output x -> conv(8, 3, groups = 4)\n}\n"
    'arch Parted = split_branches(Net, modules = "conv", %s)'
)
_IDENTITY = (
    "arch Net {\n  input x: [N, 4, 8, 8]\n  output x -> conv(4, 3) -> relu\n}\n"
    "arch Deeper = insert_identity(Net, after = %s, relu = true)"
)
_WIDEN = (
    "arch Net {\n  input x: [N, 4, 8, 8]\n  output x -> a: conv(4, 3) -> %s -> conv(4, 3)\n}\n"
    'arch Wider = widen(Net, modules = "a", width = 6)'
)

CODES: dict[str, Code] = {
    "E0440": Code(
        "nothing to rewrite",
        "A rewrite changes something of an architecture, and this architecture has nothing of the kind. "
        "`convolutionalize` looks for dense layers that take what `flatten` or a global pool makes of a map, "
        "`remove_shortcuts` for residual sums, `untie` for something shared."
        + example(_DENSE % "gap", _DENSE % "gap -> linear(10)"),
    ),
    "E0441": Code(
        "rewrite that would not be exact",
        "A rewrite gives an architecture that computes the same, or nothing. Between a map and its dense layers "
        "`convolutionalize` takes what does the same at every place of a map: activations, dropout, batch norm, sums "
        "and joins. It cannot take a layer that sorts the numbers of a vector anew, nor an adaptive pool that changes "
        "anything at the usual size."
        + example(
            _DENSE % "adaptive_avgpool(4) -> flatten -> linear(10)", _DENSE % "avgpool(2) -> flatten -> linear(10)"
        ),
    ),
    "E0442": Code(
        "unknown rewrite",
        "`Architecture.rewrite` and `archc rewrite` take the name of a rewrite, as the language has it. "
        "`archc rewrite --list` shows all of them, with their settings.",
    ),
    "E0443": Code(
        "no such module",
        "Rewrites name modules by their paths, as `archc stats` and the checkpoint show them: the names of the scopes "
        "with dots between, and a layer's own at the end. The layers that have no name of their own, such as sums, are "
        "named by the scope around them."
        + example(_UNITS % 'remove(Net, modules = "u3")', _UNITS % 'remove(Net, modules = "u2")'),
    ),
    "E0444": Code(
        "part that cannot be left out",
        "`remove` and `remove_shortcuts` leave out branches of sums, the branches of residual units, and links of "
        "chains. A link must give the shape that it takes, or what comes after it would not fit. Of a merge one part "
        "has to stay, with the shape of the whole. Layers that stay keep their weights as they are."
        + example(_UNITS % 'remove(Net, modules = "last")', _UNITS % 'remove(Net, modules = "u2")'),
    ),
    "E0445": Code(
        "modules that cannot change places",
        "`reorder` and `swap` put modules in each other's places. All of them take tensors of one shape and give "
        "tensors of one shape; none lies in another; and each is applied once. An order names each module once."
        + example(_UNITS % 'swap(Net, a = "u1", b = "last")', _UNITS % 'swap(Net, a = "u1", b = "u2")'),
    ),
    "E0446": Code(
        "module that gives no single tensor",
        "`truncate` and `taps` put out what a module gives. That must be one tensor: of a scope that others take "
        "several from, a module within it is named; something shared gives one at every application."
        + example(_UNITS % 'taps(Net, at = ["u1", "u1"])', _UNITS % 'taps(Net, at = ["u1", "u2"])'),
    ),
    "E0447": Code(
        "no such column",
        "Columns of a fractal are counted from 0, the shallowest. There are as many as the widest join has inputs, or "
        "as `survivor` is drawn from. A join with fewer joins the deepest ones." + example(_COLUMNS % 2, _COLUMNS % 1),
    ),
    "E0448": Code(
        "modules that are not alike",
        "`tie` makes one module of several, so they need the same layers under the same names, with equal settings and "
        "weights of equal shapes, and lie apart. `untie` makes a module of each application, so all that is shared "
        "within is applied equally often."
        + example(_UNITS % 'tie(Net, modules = ["u1", "last"])', _UNITS % 'tie(Net, modules = ["u1", "u2"])'),
    ),
    "E0449": Code(
        "network too large when unrolled",
        "`unroll` computes every tensor once for each use. Each shortcut doubles all that comes before it, so n units "
        "in a row come to about 2 ** n; the message says what it would come to. `limit` says how much is too much."
        + example(_UNITS % "unroll(Net, limit = 10)", _UNITS % "unroll(Net)"),
    ),
    "E0456": Code(
        "batch norm that cannot be folded",
        "`fold_batch_norm` puts a batch norm into the convolution or dense layer right before it. That needs "
        "running statistics, and a layer whose output goes into this norm alone: what else takes it would get it "
        "normalised, and a shared convolution cannot have two norms in it. `skip` leaves such a norm as it is."
        + example(
            _FOLD % "shared c = conv(4, 3)\n  output x -> c -> bn1: bn -> c -> bn2: bn",
            _FOLD % "output x -> conv(4, 3) -> bn1: bn -> conv(4, 3) -> bn2: bn",
        ),
    ),
    "E0457": Code(
        "classes that no single layer makes",
        "`change_classes` gives another width to the last dense layer or convolution before an output. Between the "
        "two may stand activations, dropout, pools and `flatten`, and nothing that has a weight for each class may "
        "come after." + example(_CLASSES % "linear(10) -> bn", _CLASSES % "bn -> linear(10)"),
    ),
    "E0458": Code(
        "layer that is merged with no other",
        "`merge_branches` merges layers that take the same tensor and have the same settings but for their "
        "channels, each with weights of its own. `modules` names the first layers of the branches."
        + example(_MERGE % "conv(4, 3), b: conv(4, 1)", _MERGE % "conv(4, 3), b: conv(4, 3)"),
    ),
    "E0459": Code(
        "layer that has no equal parts",
        "`split_branches` makes `into` equal layers of one: parts of its output channels, or of its groups where "
        "it has groups. `into` must divide their number. A weight that starts as a whole (`dirac`, `orthogonal`, a "
        "list) has no parts that start so." + example(_SPLIT % "into = 3", _SPLIT % "into = 4"),
    ),
    "E0460": Code(
        "identity layer that would change something",
        "`insert_identity` puts layers behind a module that gives one tensor of numbers, a map, a vector or "
        "tokens. A relu among them is the identity only where nothing is negative, as behind another relu."
        + example(_IDENTITY % '"conv"', _IDENTITY % '"relu"'),
    ),
    "E0461": Code(
        "layer that cannot become wider",
        "`widen` gives a layer copies of its channels, and divides the weights of those that take them. In between "
        "may stand what treats each channel on its own. Tensors that are summed must be widened alike, by naming "
        "the layers of both; a norm over several channels, a grouped convolution and an output take no copies."
        + example(_WIDEN % "ln", _WIDEN % "bn"),
    ),
}
