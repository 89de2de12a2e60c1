"""The codes of errors about building modules and writing files."""

from __future__ import annotations

from ...dsl.codes import Code

CODES: dict[str, Code] = {
    "E0801": Code(
        "an extern layer has no code",
        "The spec declares the layer's shape and parameters; its code comes from the caller, who passes it by name: "
        "`archc.load(...).module(externs={'deform': function})`. The function gets the input tensors by position, then "
        "the declared parameters and the call's arguments by keyword, and returns the declared outputs.",
    ),
    "E0802": Code(
        "an input cannot have this name",
        "An input is an argument of the module's `forward`. A word of Python, `self`, and the few names that generated "
        "code refers to (`torch`, `operator`, ...) cannot be arguments.",
    ),
    "E0803": Code(
        "the module does not do what was inferred",
        "Before anything is written the module runs at the nominal sizes, and at others that are legal, with another "
        "batch and another image where the spec leaves them open; for Python files in training, too. An output of "
        "another shape, or an exception, means that a layer's declaration and torch disagree. It is a fault of archc, "
        "or of an extern's code, and worth a report.",
    ),
    "E0804": Code(
        "the device cannot be used",
        "torch cannot place tensors on the device named, or knows no such device. The CPU is always there: "
        '`--device cpu` on the command line, `device="cpu"` in Python.',
    ),
    "E0805": Code(
        "a file cannot be written",
        "Files are written beside their target and moved into place, so the folder must exist and be writable. "
        "What stood there before is untouched. Through a symbolic link its target is written. A device, a pipe, a "
        "socket or a folder is never replaced by a file; to write to the standard output say `-o -`. Nor is what the "
        "command reads: the spec, what it imports, checkpoints and maps, by whatever links they are named.",
    ),
    "E0806": Code(
        "a tensor cannot have this name",
        "The parameters of an extern layer become those of a torch module, so they cannot be called what every torch "
        "module has already: `forward`, `train`, `type`, ...",
    ),
    "E0807": Code(
        "there is too little memory",
        "The weights of the network, or what it computes at its nominal sizes, do not fit the memory of the machine or "
        "of the device. The message says how much the weights take: four bytes for each parameter. `archc stats` shows "
        "which scopes have them. `archc check` and `archc stats` need no memory for them, and neither does "
        '`module(device="meta")`.',
    ),
    "E0808": Code(
        "an argument of `module` is wrong",
        "`Architecture.module` takes a `seed` that is a whole number and not negative, a floating `dtype` of torch's "
        "or its name, and `externs` that are functions by name.",
    ),
    "E0809": Code(
        "a scope cannot be called",
        "A scope is a module with a forward of its own where data enters and leaves it as through a function. There is "
        "no such function where data leaves a scope and comes back to it, where only some of it belongs to a part that "
        "is computed again, or where each application takes other modules from it. Then what is around the scope "
        "applies its layers one by one. The scope's repr shows the reason.",
    ),
    "E0810": Code(
        "a checkpoint cannot be read",
        "Weights are read from safetensors files and from torch files of plain tensors. A file that is truncated, of "
        "another kind, or that would run code on loading is refused; nothing in it is run.",
    ),
    "E0811": Code(
        "a checkpoint lacks tensors",
        "Loading is strict: every parameter and buffer must be in the checkpoint. Only counters of batch norms "
        "(`num_batches_tracked`), which old checkpoints do not have, and second names of something shared may be "
        "absent.",
    ),
    "E0812": Code(
        "a checkpoint has tensors that the module lacks",
        "Loading is strict: every tensor of the checkpoint must have its place. Labels in the spec decide the names.",
    ),
    "E0813": Code(
        "a checkpoint's tensors have other shapes or types",
        "The names agree but the tensors do not fit; the parameters of the arch (widths, classes, depth) decide the "
        "shapes.",
    ),
    "E0814": Code(
        "a checkpoint gives one shared tensor two values",
        "The spec shares a parameter under several names, and the checkpoint holds different values under them.",
    ),
    "E0815": Code(
        "a checkpoint of another network",
        "Most of the checkpoint's names are not the module's, so it was saved from another network, or from this one "
        "under other names. Labels in the spec decide the names.",
    ),
    "E0816": Code(
        "a checkpoint's modules are not the spec's",
        "Mapping by structure compares modules by the names and shapes of their tensors, and each must be there as "
        "often on both sides. The message lists the kinds of which one side has more, side by side. Counters of batch "
        "norms (`num_batches_tracked`) do not count.",
    ),
    "E0817": Code(
        "a checkpoint's names allow no order of computation",
        "The shapes are the spec's, but its modules cannot be computed one after another so that each scope of the "
        "checkpoint is finished before the next begins and numbered siblings run with the data. A scope of all norms "
        "beside one of all convolutions is such a case, or a tensor that was put under another scope. Name all "
        "tensors in a file, and pass it by `--map FILE`.",
    ),
    "E0818": Code(
        "a checkpoint may be mapped in more than one way",
        "Some tensors could change places: their shapes are equal, and neither scopes nor numbers say which is which, "
        "as of equal branches of a concatenation. Nothing is loaded on a guess. The message lists them; `--map FILE`, "
        "or `map_weights(source, given)`, takes the names that settle it, and the rest is found.",
    ),
    "E0819": Code(
        "a map of names does not fit",
        'A map is a JSON object, `{"name in the checkpoint": "name in the spec"}`. Each name must be there, and the '
        "two tensors of a pair must have one shape and type.",
    ),
    "E0820": Code(
        "an optional package is missing",
        "ONNX files need the packages onnx, onnxscript and onnxruntime: `pip install 'archc[onnx]'`.",
    ),
    "E0821": Code(
        "the module cannot be exported",
        "torch's exporter refused the module, or would have fixed a size that the spec leaves symbolic.",
    ),
    "E0822": Code(
        "the written file computes something else",
        "Before a file is moved into place it is loaded again and run beside the module: Python and torch.export's "
        "format in torch, ONNX in onnxruntime. Here the two differ, in Python by a single bit, in the others by more "
        "than rounding. The message says in which output, tensor or gradient, and where it can from which layer on. "
        "What stood at the path before is untouched.",
    ),
    "E0823": Code(
        "the written file does not run",
        "Before a file is moved into place it is loaded again and run beside the module. Here loading or running it "
        "failed where the module runs. What stood at the path before is untouched.",
    ),
    "E0824": Code(
        "weights changed before they were computed with again",
        "What `recompute` surrounds is computed again in the backward pass, with the weights and in the mode of the "
        "forward pass, also where the module has got others since. But where an optimizer's step, or other code, has "
        "written other numbers into a weight, these are lost. As for all that autograd keeps, the backward pass then "
        "stops.",
    ),
    "E0850": Code(
        "an architecture has no exact form as a spec",
        "`archc compile -o net.arch` and `Architecture.source` write a spec, read it again, and compare: layers, "
        "settings, types, names, order, sharing. Where something would be another, nothing is written. A graph that a "
        "spec makes has a form; one that was put together by hand may not.",
    ),
    "E0851": Code(
        "a layer of the host cannot be written as a spec",
        "The declaration of an `extern` says what it takes of any size. A graph keeps what one application took and "
        "gave, from which the declaration does not follow.",
    ),
    "E0860": Code(
        "weights that no map carries over",
        "A checkpoint is carried from one architecture to another where `archc equiv` proves that they are the same "
        "function up to a map of weights. Here nothing is proved, or the map is one to another architecture.",
    ),
    "E0870": Code(
        "the module is not the architecture's",
        "Leaving out and reordering modules, and gradients along paths, take a module that `Architecture.module` built "
        "from this architecture, with its graph as it was built; its weights may be any. A module made by leaving "
        "something out is another network: name everything that is to be left out in one call.",
    ),
    "E0871": Code(
        "nothing has this path",
        "Modules and layers are named by their paths, as `archc stats` lists them: `layer1.0`, `features.3`. "
        "`archc.ablation.residual_modules(net)` lists the residual modules.",
    ),
    "E0872": Code(
        "this cannot be left out",
        "Of a residual module the branch is left out and the shortcut stays; it goes as a whole. Any other layer or "
        "scope is skipped: its input takes the place of its output. So it must have one of each, of one shape.",
    ),
    "E0873": Code(
        "an order has a module twice",
        "An order names each residual module that moves once. They take the places that they have together, in this "
        "order; the modules that it does not name stay.",
    ),
    "E0874": Code(
        "a module cannot stand in another's place",
        "A module gets the tensor that the one before it in that place got, and its result is added where that one's "
        "was. So both take one shape and make one shape, as within a stage of a residual network, and neither shares "
        "layers with something else.",
    ),
    "E0875": Code(
        "there are no such paths",
        "Paths are taken by their length: how many residual modules, or convolutions and dense layers, are on them. "
        "`Architecture.paths` says how many there are of each length. All paths of a length are only taken one by one "
        "where they are not too many; otherwise `count` says how many to draw.",
    ),
    "E0876": Code(
        "there is no gradient at this input",
        "A gradient is taken at the inputs of the network, along a path from an input to the loss. Inputs are floating "
        "tensors, one for each input of the architecture, and the loss is a single number that depends on the outputs.",
    ),
}
