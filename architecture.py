"""`Architecture`: a network, elaborated, and all that can be asked of it. Users import it as `archc.Architecture`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import PATH, need, need_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import networkx
    import torch

    from .compiler.analyses.outputs import Output
    from .compiler.analyses.paths import Paths
    from .compiler.analyses.plan import Plan
    from .compiler.analyses.receptive_field import ReceptiveField
    from .compiler.analyses.stats import Stats
    from .compiler.compare.difference import Difference
    from .compiler.compare.equivalence import Equivalence
    from .compiler.emit.checkpoint import Checkpoint
    from .compiler.emit.inference import Optimized
    from .compiler.emit.mapping import NameMap
    from .compiler.ir.graph import Graph
    from .dsl.diagnostics import Diagnostic
    from .viz.draw import Picture
    from .viz.plot import Plot


class Architecture:
    """A network, elaborated: every tensor typed, every parameter named. `load` and `loads` make it.

    `ir` is the compiler's own graph; `graph` shows it to networkx. `warnings` says what of the spec is accepted and may
    not be what was meant.
    """

    def __init__(
        self, ir: Graph, warnings: Sequence[Diagnostic] = (), externs: Mapping[str, Callable[..., Any]] | None = None
    ):
        self.ir = ir
        self.warnings = tuple(warnings)
        self._externs = dict(externs or {})
        self._stats: Stats | None = None

    @property
    def name(self) -> str:
        return self.ir.name

    @property
    def doc(self) -> str | None:
        """What the spec says of it."""
        return self.ir.doc

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the spec's parameters, those that were given and the defaults."""
        return dict(self.ir.parameters)

    @property
    def graph(self) -> networkx.MultiDiGraph:
        """The graph for networkx, with everything that the architecture says, which `archc.from_graph` takes back.

        Nodes, by index, have `op`, the op's settings, `path` and `types`; edges `port` and `slot`. docs/python.md has
        the rest. Each access makes a new graph, which is yours to edit.
        """
        from .compiler.interchange.to_networkx import to_networkx

        return to_networkx(self.ir)

    def stats(self, /, dtype: str = "float32", **sizes: int) -> Stats:
        """Parameters, multiply-adds, activations, memory and depth: for each scope, each kind of layer, and in total.

        The keywords are sizes of the inputs by their symbols, `N=32, H=448`; the others are the usual ones. Bytes are
        for numbers of type `dtype` ("float64", "float32", "float16", "bfloat16"). Raises ValueError for sizes that the
        architecture does not have or take, and for other types.
        """
        from .compiler.analyses.stats import stats
        from .compiler.analyses.usual import checked_sizes

        need("dtype", dtype, str)
        usual = dtype == "float32" and not sizes
        found = self._stats if usual else None
        found = found or stats(self.ir, checked_sizes(self.ir, sizes), dtype)
        self._stats = found if usual else self._stats
        return found

    def paths(self, by: str = "layer") -> Paths:
        """How many paths lead from the inputs to the outputs, by their lengths: exactly, where there are less than
        2 ** 2048 of them.

        By "layer" a length is how many convolutions and dense layers stand on the path; by "module" how many residual
        modules it goes through. Raises ValueError for another word.
        """
        from .compiler.analyses.paths import paths

        need("by", by, str)
        return paths(self.ir, by)

    def receptive_field(self, /, place: str | int | None = None, **sizes: int) -> ReceptiveField:
        """Which places of the inputs a place of a tensor depends on, exactly.

        `place` is the path of a layer or of a scope (then its last tensor is meant), or a node's number in `graph`;
        without it the output is meant. The keywords are sizes of the inputs by their symbols, `H=448`; the others are
        the usual ones. Raises ValueError where there is no such place or size.
        """
        from .compiler.analyses.receptive_field import receptive_field
        from .compiler.analyses.usual import checked_sizes

        need("place", place, str, int, none=True)
        return receptive_field(self.ir, place, checked_sizes(self.ir, sizes))

    def diff(self, other: Architecture) -> Difference:
        """What `other` has otherwise than this one: layers added, removed and changed, aligned by structure.

        The result is false where there is no difference, names included. Its `parameters` and `multiply_adds` are
        what `other` has more of, and its `entries` say where, along the scopes.
        """
        from .compiler.compare.difference import difference

        need("diff", other, Architecture)
        return difference(self.ir, other.ir)

    def equivalent(self, other: Architecture, /, **sizes: int) -> Equivalence:
        """Whether `other` is the same function up to a map of weights: proved equal, proved different, or undecided.

        The result is true where they are proved equal; it then has the map of weights, and `other.carry(result, file)`
        carries a checkpoint over. The keywords fix sizes of the inputs by their symbols, `H=224`; without them all
        sizes are compared. Only what normal forms leave open is run, and no networks with more than 10,000 layers
        together. Raises ValueError for sizes that one of them does not have or take.
        """
        from .compiler.compare.equivalence_classes import MOST_RUN, counted_first
        from .compiler.folded import equivalence

        need("equivalent", other, Architecture)
        found = equivalence(self.ir, other.ir, sizes)
        if found.settled:
            return found
        found = counted_first(found)
        if found.layers > MOST_RUN:
            return found
        from .compiler.emit.counterexample import refuted

        return refuted(found)

    def carry(
        self, equivalence: Equivalence, source: str | os.PathLike[str] | Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """A checkpoint of this architecture, made of one of the other architecture that is proved to be its equal.

        `equivalence` is `other.equivalent(self)`. `source` is a file or a state dict; it is checked as when it is
        loaded. Raises ArchError: E0860 where nothing is proved equal, E0810 to E0815 for the checkpoint.
        """
        from .compiler.compare.equivalence import Equivalence
        from .compiler.emit.counterexample import carried_over

        need("carry", equivalence, Equivalence)
        need_weights(source)
        return carried_over(equivalence, self.ir, source)

    def rewrite(self, name: str, /, **settings: Any) -> Architecture:
        """Another architecture, made of this one by a rewrite: `net.rewrite("convolutionalize", pool=True)`.

        The names and settings are those of the functions that a spec may call. This one is unchanged. The result knows
        how a checkpoint of this one becomes one of its own, and loads either. Raises ArchError where there is no such
        rewrite, or where it would not be exact.
        """
        from .compiler.program import rewritten

        need("rewrite", name, str)
        return Architecture(rewritten(self.ir, name, settings), externs=self._externs)

    def features(self, /, *modules: str) -> Architecture:
        """The architecture that puts out the maps of some modules, by path: `net.features("layer2", "layer4")`.

        What they do not need is gone; names stay, and weights of the whole load. `outputs` has the channels and the
        stride of each. Raises ArchError: E0443 where there is no such module, E0446 where it gives no single tensor.
        """
        need("modules", modules, str, each=True)
        return self.rewrite("taps", at=list(modules))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What it puts out, tensor by tensor: names, shapes, channels, strides."""
        from .compiler.analyses.outputs import outputs

        return outputs(self.ir)

    def stages(self, count: int | None = None, /, *, at: Sequence[str | int] = (), **sizes: int) -> list[Architecture]:
        """Architectures that in a row are this one: `net.stages(4)`.

        Each takes what the one before it puts out, in the same order, and hands on what later ones need; the last puts
        out what this one does. Names stay: a checkpoint of the whole loads into each, and their state dicts together
        have its tensors, each once but for those that stages share. `count` stages are as equal in time as can be, as a
        training step counts it; `at` cuts before layers or scopes instead, by path, or before nodes by their number in
        `graph`. The keywords give open sizes values. Outputs for training alone belong to the last stage. Raises
        ArchError: E1301 for more stages than there are places to cut, E1303 for `at`, E0441 where a layer does not fit
        what a stage knows of the sizes. Raises ValueError for sizes that it does not have or take.
        """
        from .compiler.analyses.pipeline import places_of
        from .compiler.analyses.usual import checked_sizes
        from .compiler.program import staged

        need("stages", count, int, none=True)
        need("at", at, str, int, each=True)
        if (count is None) == (not at) or (count is not None and count < 1):
            raise TypeError("stages takes a number of stages from 1 or at=[...], and not both or neither")
        places = places_of(self.ir, count, [at] if isinstance(at, str | int) else at, checked_sizes(self.ir, sizes))
        return [Architecture(graph, externs=self._externs) for graph in staged(self.ir, places, sizes)]

    def plan(
        self,
        devices: int,
        memory: int | str,
        *,
        batch: int | None = None,
        dtype: str = "float32",
        optimizer: str = "adamw",
        loss: str = "other",
        link: float | str = "50GB",
        multiply_adds: float | str = "100T",
        bandwidth: float | str = "2TB",
        **sizes: int,
    ) -> Plan:
        """How to train it on equal devices: every way, what each rank then holds, sends and spends, the fastest that
        fits first.

        `memory` is the bytes of a device, as a number or a text, "80GB". `batch` images make a step on all devices
        together, 32 for each unless told. `link`, `multiply_adds` and `bandwidth` are per second: the bytes that a
        device sends, the multiply-adds that it does, the bytes of its memory that it reads or writes. `optimizer` is
        "sgd", "momentum", "adam" or "adamw". With `loss="cross_entropy"` what that keeps of each output is counted;
        nothing is of an "other" loss. docs/scale.md says how each figure is counted. Needs no torch. Raises
        ArchError: E1302 where nothing fits, E1304 where a batch cannot be shared out, E1305 for quantities and words
        that are none. Raises ValueError for sizes that it does not have or take.
        """
        from .compiler.analyses.plan import plan
        from .compiler.analyses.quantities import machine, training
        from .compiler.analyses.usual import checked_sizes

        need("devices", devices, int)
        need("batch", batch, int, none=True)
        for name, word in (("dtype", dtype), ("optimizer", optimizer), ("loss", loss)):
            need(name, word, str)
        asked = machine(devices, memory, link, multiply_adds, bandwidth)
        return plan(
            self.ir,
            asked,
            training(32 * devices if batch is None else batch, dtype, optimizer, loss),
            checked_sizes(self.ir, sizes),
        )

    def fit(
        self,
        memory: int | str,
        *,
        batch: int = 32,
        dtype: str = "float32",
        optimizer: str = "adamw",
        **sizes: int,
    ) -> Architecture:
        """The architecture whose training takes at most `memory`, bytes or a text, "8GB": weights, gradients, the
        optimizer's states and what the backward pass reads, for a batch of so many images.

        Where it takes more, modules are computed again in the backward pass, those that cost the fewest multiply-adds
        (`recompute_modules`); `notes["fit"]` says which, the bytes of a step, those of before, and the part of the
        forward that is done twice. Outputs and gradients stay the same. Needs no torch. Raises ArchError: E1309 where
        that does not suffice or the memory of a layer is not known, E1304 where the batch is fixed, E1305 for
        quantities and words that are none. Raises ValueError for sizes that it does not have or take.
        """
        from .compiler.analyses.fit import fit
        from .compiler.analyses.quantities import quantity, training
        from .compiler.analyses.usual import checked_sizes
        from .compiler.program import rewritten

        need("batch", batch, int)
        for name, word in (("dtype", dtype), ("optimizer", optimizer)):
            need(name, word, str)
        asked = training(batch, dtype, optimizer)
        found = fit(self.ir, quantity("memory", memory), asked, checked_sizes(self.ir, sizes))
        if not found.modules:
            return self
        result = rewritten(self.ir, "recompute_modules", {"modules": list(found.modules)})
        result.notes["fit"] = found
        return Architecture(result, externs=self._externs)

    @property
    def notes(self) -> dict[str, Any]:
        """What rewrites found out about it, by name: `net.rewrite("swap", ...).notes["kendall_tau"]`."""
        return dict(self.ir.notes)

    def module(
        self,
        *,
        weights: str | os.PathLike[str] | Mapping[str, torch.Tensor] | torch.nn.Module | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str | None = None,
        seed: int | None = None,
        externs: Mapping[str, Callable[..., Any]] | None = None,
        fresh: Sequence[str] = (),
        leave_out: Sequence[str] = (),
    ) -> torch.fx.GraphModule:
        """Builds the torch module, in training mode: freshly initialised, or with `weights`.

        These are a file, a state dict or a module. Names and shapes must agree with the spec, or with that of an
        architecture which it was rewritten from: what is gone is left out, and what a rewrite starts anew stays new.
        `fresh` are tensors or scopes of the spec that start anew too, as a head of other classes, and `leave_out` are
        tensors, scopes or patterns of the weights, as `*.total_ops`, which are not taken. With a `seed` the initial
        weights are the same everywhere; without one they come from torch's global generator. `dtype` is one of torch's
        floating types, or its name; it and `device` are torch's defaults where none is given
        (`torch.set_default_dtype`, `with torch.device("meta")`). `externs` gives the code of the layers that the spec
        declares `extern`, by name; what was read of a module has that module's. Raises ArchError, for weights E0810 to
        E0815; warns of NaN, and of what starts anew.
        """
        from .compiler.emit.fx import to_graph_module, with_defaults
        from .compiler.emit.weights import load_weights

        checkpoint = self._read(weights, fresh, leave_out)
        device, dtype = with_defaults(device, dtype)
        module = to_graph_module(self.ir, device=device, dtype=dtype, seed=seed, externs=self._code(externs))
        if checkpoint is not None:
            load_weights(module, checkpoint, self.ir)
        return module

    def optimized(
        self,
        weights: str | os.PathLike[str] | Mapping[str, torch.Tensor] | torch.nn.Module | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str | None = None,
        engine: str = "kernels",
        externs: Mapping[str, Callable[..., Any]] | None = None,
        fresh: Sequence[str] = (),
        leave_out: Sequence[str] = (),
    ) -> Optimized:
        """The network for inference, as fast as this machine allows: `net.optimized("net.pth")`.

        `weights` are a file, a state dict or a module, with `fresh` and `leave_out` as in `module`; without them they
        are new. It is exact up to rounding: what a rewrite or a kernel cannot do runs as in `module()`, and `report` of
        the result says what and why. `engine` is "kernels", oneDNN's fused operators with packed weights, ready at
        once, or "inductor", torch.compile with frozen weights, which compiles at the first call. `dtype` is a floating
        type, in which weights and maps are held.
        Weights are packed for the usual sizes of the inputs, and for others when they come again. Raises ArchError;
        warns of NaN, and of what starts anew.
        """
        from .compiler.emit.inference import optimized

        checkpoint = self._read(weights, fresh, leave_out)
        return optimized(self.ir, checkpoint, device=device, dtype=dtype, engine=engine, externs=self._code(externs))

    def _code(self, externs: Any) -> Any:
        """The code of layers of the host: what is given, else that of the module which was read."""
        if isinstance(externs, Mapping):
            return {**self._externs, **externs}
        return self._externs if externs is None else externs

    def _read(
        self,
        weights: str | os.PathLike[str] | Mapping[str, torch.Tensor] | torch.nn.Module | None,
        fresh: Sequence[str],
        leave_out: Sequence[str],
    ) -> Checkpoint | None:
        """The weights that one of its methods was given; warns at its call where they are NaN or infinite, one of
        several in a file, or not taken, as those of a head that a rewrite replaced. None where none are given."""
        from .compiler.emit.carry import carried
        from .compiler.emit.checkpoint import read, remarks
        from .compiler.ir.words import few

        for name, names in (("fresh", fresh), ("leave_out", leave_out)):
            need(name, names, str, each=True)
            if names and weights is None:
                raise TypeError(f"{name} needs weights")
        if weights is None:
            return None
        need_weights(weights)
        out, anew = ([names] if isinstance(names, str) else names for names in (leave_out, fresh))
        checkpoint = read(weights, self.ir.tensor_shapes(), out, anew)
        for said in remarks(checkpoint):
            warnings.warn(said.message, RuntimeWarning, stacklevel=3)
        if any(step.fresh for step in self.ir.weight_maps):
            new = carried(checkpoint.tensors, self.ir, checkpoint.fresh)[1] - checkpoint.fresh
            if new:
                what = few(sorted(new))
                warnings.warn(f"left out of the checkpoint, whose head is another one, and new: {what}", stacklevel=3)
        return checkpoint

    def source(self) -> str:
        """A spec that defines this architecture and imports nothing, as text.

        Its parameters are settled in it. What is repeated in it is a block or a power, after rewrites too. Elaborated,
        the text gives the same graph, which is checked. Raises ArchError (E0850, E0851) where that cannot be.
        """
        from .compiler.decompile.arch.spec import written

        return written(self.ir)

    def map_weights(
        self,
        source: str | os.PathLike[str] | Mapping[str, Any] | torch.nn.Module,
        given: Mapping[str, str | None] | str | os.PathLike[str] | None = None,
        *,
        fresh: Sequence[str] = (),
    ) -> NameMap:
        """Which tensor of a checkpoint, or of a module, is which of this architecture, where their names differ.

        The tensors are told apart by shapes and position; values and their order play no part. `given` are pairs of
        names that are known, the checkpoint's to the spec's, or a JSON file of them; None leaves a tensor out, and all
        that a scope or a pattern covers, `{"criterion": None, "*.total_ops": None}`. `fresh` are tensors or scopes of
        this architecture that keep their initial values, as a head of other classes. Raises ArchError (E0810, E0816 to
        E0819) unless exactly one mapping is possible.
        """
        from .compiler.emit.checkpoint import several
        from .compiler.emit.mapping import map_weights

        need_weights(source)
        need("given", given, *PATH, Mapping, none=True)
        need("fresh", fresh, str, each=True)
        checkpoint, names = map_weights(self.ir, source, given, [fresh] if isinstance(fresh, str) else fresh)
        for said in several(checkpoint):
            warnings.warn(said.message, RuntimeWarning, stacklevel=2)
        return names

    def draw(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        format: str | None = None,
        depth: int | None = None,
        expand: Sequence[str] = (),
        collapse: Sequence[str] = (),
        only: Sequence[str] = (),
        theme: str | None = None,
        legend: bool = True,
        direction: str = "down",
        width: str | None = None,
        layout: str = "archc",
    ) -> Picture:
        """The architecture as a picture, which a notebook displays; with a `path` it is written there too.

        `format` is "svg", "html", "png", "pdf", "tex" or "dot"; else the ending of the path decides, else it is "svg".
        The other options are those of `archc draw`; where no theme is given a page has that of its reader, and
        everything else is light. Raises ArchError for what there is not, and where it cannot be written.
        """
        from .viz.draw import draw
        from .viz.view import View

        self._view(path, depth, theme)
        for name, paths in (("expand", expand), ("collapse", collapse), ("only", only)):
            need(name, paths, str, each=True)
        for name, text in (("format", format), ("width", width)):
            need(name, text, str, none=True)
        need("direction", direction, str)
        need("layout", layout, str)
        ending = Path(path).suffix.removeprefix(".").lower() if path is not None else ""
        view = View(depth, *(tuple([paths] if isinstance(paths, str) else paths) for paths in (expand, collapse, only)))
        made = draw(self.ir, format or ending or "svg", view, theme, legend, direction, width, layout)
        if path is not None:
            made.save(path)
        return made

    def plot(
        self,
        /,
        what: str = "costs",
        path: str | os.PathLike[str] | None = None,
        *,
        by: str = "layer",
        depth: int | None = None,
        dtype: str = "float32",
        theme: str = "light",
        **sizes: int,
    ) -> Plot:
        """Figures as a plot, which a notebook displays; with a `path` it is written there too. Needs matplotlib.

        - "costs": parameters and multiply-adds of the boxes of a drawing of that `depth`.
        - "memory": what evaluation takes and what training keeps, layer by layer, in numbers of type `dtype`; the
          keywords are sizes of the inputs, `N=32`.
        - "paths": how many paths have which length, `by` "layer" or "module".

        Raises ArchError without matplotlib (E1004), for an ending it does not write (E1005) and an option that the
        plot does not take (E1040); ValueError for words and sizes that there are not.
        """
        from .viz.plot import PlotRequest, plotted

        self._view(path, depth, theme)
        for name, word in (("what", what), ("by", by), ("dtype", dtype), ("theme", theme)):
            need(name, word, str)
        made = plotted(self.ir, PlotRequest(what, by, depth, dtype, sizes), theme)
        if path is not None:
            made.save(path)
        return made

    @staticmethod
    def _view(path: object, depth: object, theme: object) -> None:
        need("path", path, *PATH, none=True)
        need("depth", depth, int, none=True)
        need("theme", theme, str, none=True)

    def _repr_html_(self) -> str:
        from .viz.draw import figure

        return figure(self.ir, self._summary())

    def __repr__(self) -> str:
        return f"<Architecture {self._summary()}>"

    def _summary(self) -> str:
        from .compiler.analyses.figures import totals, without
        from .compiler.ir.counts import short
        from .compiler.ir.titles import called
        from .figures import plural, signature

        total = totals(self.ir)
        spent = f"{short(total['multiply_adds'])} multiply-adds{without(self.ir, 'macs')}"
        figures = f"{plural(total['parameters'], 'parameter')}, {spent}"
        return f"{called(self.name, self.parameters)}: {figures}, {signature(self.ir)}"
