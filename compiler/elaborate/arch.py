"""From an arch and its arguments to a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...dsl import ast
from ...dsl.diagnostics import Diagnostic, Fault, Poisoned, fault
from ...dsl.limits import LIMITS
from ...dsl.source import Span
from ..ir.graph import Graph, GraphOutput, Origin
from .callables import ArchInstance, Architecture, Rewritten
from .claims import Measures, check_claims
from .defaults import report_unreplaced, set_defaults
from .environment import Environment, Frame
from .foreign import warn_of_batch
from .imports import LoadedFile
from .inputs import settle_nominal
from .parameters import bind, bind_parameters
from .rewriting import Rewrites, Stage, carried_out, without_tensors
from .sharing import report_unapplied
from .statements import Statements, define, require, take_apart
from .unused import report_unused
from .values import POISON, Later, Outside, Poison, Tensors, describe, spelled


@dataclass(slots=True)
class Elaborated:
    """The outcome: a graph where there is no error, everything that was found, and how many claims hold. `despite` is
    the graph where nothing but claims is wrong; `steps` is what counts against their limit, `work` all that it took."""

    graph: Graph | None
    diagnostics: list[Diagnostic]
    claims: int = 0
    despite: Graph | None = None
    steps: int = 0
    work: int = 0


_VARIANT_STEPS = 20
"""Steps of one variant on the way to the arch with a body."""


@dataclass(slots=True)
class Variant:
    """One step from the arch that is asked for to the one with a body: what is claimed of it, its names, and the
    rewrites that make it of the next, the first one first."""

    claims: tuple[ast.Statement, ...]
    names: dict[str, Any]
    rewrites: list[Rewritten]


class ArchElaboration(Statements):
    """The elaboration of one arch."""

    def __init__(self, name: str, here: Span, rewrites: Rewrites):
        super().__init__(name, here, rewrites)
        self.stages: list[Stage] = []
        self.fixed: dict[str, Any] = {}
        self.broken = False
        """Whether something could not be read, so that what is left may seem to lead nowhere."""
        self._files: dict[LoadedFile, Environment] = {}

    # --- files -------------------------------------------------------------------------------

    def file_environment(self, loaded: LoadedFile) -> Environment:
        """What a file defines and imports, evaluated once for this architecture."""
        known = self._files.get(loaded)
        if known is not None:
            return known
        self.spend(2 * len(loaded.syntax.statements), loaded.syntax.span)
        environment = self._files[loaded] = Environment(names=dict.fromkeys(loaded.syntax.broken, POISON))
        self.broken |= bool(loaded.syntax.broken)
        for statement in loaded.syntax.statements:
            if isinstance(statement, ast.Use):
                self._import(loaded, statement, environment)
            elif isinstance(statement, ast.Declaration):
                define(self, statement, environment)
            elif isinstance(statement, ast.Assign):
                environment.names.update(dict.fromkeys(statement.defines, Later(statement.span)))
        for statement in loaded.syntax.statements:
            if isinstance(statement, ast.Assign):
                take_apart(self, statement, self.attempt(statement.value, environment), environment)
        return environment

    def _import(self, loaded: LoadedFile, use: ast.Use, environment: Environment) -> None:
        source = loaded.imports.get(use)
        names = self.file_environment(source).names if source is not None else {}
        self.broken |= not {name for name, _ in use.names} <= names.keys()
        for name, here in use.names:
            environment.names[here] = names.get(name, POISON)

    # --- the arch ----------------------------------------------------------------------------

    def build(self, architecture: Architecture, arguments: dict[str, Any]) -> None:
        """Elaborates an arch into the graph. Raises a Fault."""
        definition, environment, variants = self._resolve(architecture, arguments)
        assert isinstance(definition.body, tuple)
        asked = architecture.definition
        self.graph.doc = asked.doc or definition.doc
        self.origin = Origin(definition.name, environment.names.copy(), None, None)
        self.graph.parameters = self._settings(asked, definition, environment, variants)
        self.graph.given = tuple(arguments)
        set_defaults(self, definition.body, environment)
        self.execute(definition.body, environment)
        report_unapplied(self, environment, definition)
        self.stages = self._stages(variants, environment)
        assert environment.frame is not None
        self._take_outputs(definition, environment.frame.outputs)

    def _stages(self, variants: list[Variant], environment: Environment) -> list[Stage]:
        """What becomes of the graph, from the arch with a body outwards to the one that is asked for."""
        stages = [Stage(claims=self.claims)]
        for variant in reversed(variants):
            if variant.rewrites:
                stages.append(Stage(variant.rewrites))
                environment = without_tensors(environment)
            merged = Environment(environment, variant.names)
            stages[-1].claims.extend((c, merged) for c in variant.claims if isinstance(c, ast.Expect))
        return stages

    def _resolve(
        self, architecture: Architecture, arguments: dict[str, Any]
    ) -> tuple[ast.ArchDef, Environment, list[Variant]]:
        """Follows variants to the arch with a body, keeping the claims of each on the way."""
        variants: list[Variant] = []
        passed: set[ast.ArchDef] = set()
        asked, span = architecture.definition, None
        for _ in range(LIMITS.instantiation_depth):
            definition = architecture.definition
            passed.add(definition)
            self.spend(_VARIANT_STEPS, definition.name_span)
            environment = Environment(architecture.environment, frame=Frame(definition))
            arguments = bind(definition, [], arguments, span or definition.name_span, asked)
            bind_parameters(self, definition, arguments, environment, span)
            if any(environment.names[p.name] is POISON for p in definition.parameters):
                raise Poisoned
            for claim in definition.claims:
                if isinstance(claim, ast.Require):
                    require(self, claim, environment)
            if not isinstance(definition.body, ast.Expr):
                variants.append(Variant(definition.claims, {}, []))
                return definition, environment, variants
            names = environment.names.copy()
            value, rewrites = _unwrapped(self.evaluate(definition.body, environment))
            further = {k: v for k, v in arguments.items() if k not in names}
            # What a variant claims, it claims of itself as it stands.
            variants.append(Variant(() if further else definition.claims, names, rewrites))
            architecture, arguments, span = self._variant(value, definition)
            self.fixed = arguments
            for name in further.keys() & arguments.keys():
                hint = f"take `{architecture.definition.name}` itself to choose it"
                raise fault("E0310", f"`{definition.name}` already says what `{name}` is", span, hint)
            arguments = arguments | further
        if len(passed) == LIMITS.instantiation_depth:
            message = f"`{asked.name}` is a variant of a variant, and so on, more than {len(passed)} times"
            raise fault(
                "E0911", message, asked.name_span, "make it a variant of one that is nearer to an arch with a body"
            )
        hint = "a variant ends in an arch with a body in braces"
        raise fault("E0304", f"the variant `{architecture.definition.name}` refers to itself", span, hint)

    def _settings(
        self, asked: ast.ArchDef, definition: ast.ArchDef, environment: Environment, variants: list[Variant]
    ) -> dict[str, Any]:
        """The parameters that the caller could choose: the arch's own, and for a variant those that it leaves open."""
        own = environment.names if asked is definition else variants[0].names
        settings = {p.name: spelled(own[p.name]) for p in asked.parameters}
        for parameter in definition.parameters:
            if parameter.name not in self.fixed:
                settings.setdefault(parameter.name, spelled(environment.names[parameter.name]))
        return settings

    def _variant(self, value: Any, definition: ast.ArchDef) -> tuple[Architecture, dict[str, Any], Span]:
        assert isinstance(definition.body, ast.Expr)
        if value is POISON:
            raise Poisoned
        if isinstance(value, Architecture):
            return value, {}, definition.body.span
        if isinstance(value, ArchInstance):
            return value.architecture, value.arguments, value.span
        message = f"a variant is an arch with arguments, and this is {describe(value)}"
        hint = f"`arch {definition.name} = SomeArch(...)`, or a body in braces"
        raise fault("E0346", message, definition.body.span, hint)

    def _take_outputs(self, definition: ast.ArchDef, outputs: list[tuple[ast.Output, Tensors | Poison]]) -> None:
        if not outputs and not self.diagnostics.errors:
            hint = "end the body with `output e`, where `e` is a tensor"
            raise fault("E0305", f"the arch `{definition.name}` has no `output`", definition.name_span, hint)
        names: dict[str, ast.Output] = {}
        for statement, tensors in outputs:
            name = statement.name or "out"
            if name in names:
                hint = "name them: `output logits = ...`, `output features = ...`"
                self.report(fault("E0347", f"two outputs are called `{name}`", statement.span, hint))
            names[name] = statement
            if isinstance(tensors, tuple):
                values = tuple((t.node, t.port) for t in tensors)
                self.graph.outputs.append(GraphOutput(statement.name, values, statement.when_training))


def _unwrapped(value: Any) -> tuple[Any, list[Rewritten]]:
    """The arch inside of rewrites, and the rewrites, the innermost first."""
    rewrites: list[Rewritten] = []
    while isinstance(value, Rewritten):
        rewrites.insert(0, value)
        value = value.base
    return value, rewrites


def elaborate(
    loaded: LoadedFile,
    name: str,
    parameters: dict[str, Any],
    measures: Measures | None,
    rewrites: Rewrites,
    machine: Callable[[str, Span, Rewrites], ArchElaboration] = ArchElaboration,
) -> Elaborated:
    """Elaborates the arch `name` of a file, carries out its `rewrites`, and checks its claims with `measures`.

    `machine` makes what does it: one that also keeps account, say, of what is applied where.
    """
    ctx = machine(name, loaded.syntax.span, rewrites)
    try:
        ctx.asked = ctx.file_environment(loaded)
        architecture = ctx.asked.names[name]
        assert isinstance(architecture, Architecture)
        outside = {key: Outside(value) for key, value in parameters.items()}
        ctx.build(architecture, bind(architecture.definition, [], outside, architecture.definition.name_span))
        if not ctx.diagnostics.errors and not ctx.broken:
            report_unused(ctx)
            report_unreplaced(ctx)
    except Fault as problem:
        ctx.report(problem)
    except RecursionError:
        hint = "does the recursion have an end? a part of its own, as a block, takes less depth than nested brackets"
        ctx.report(fault("E0911", "expressions and instantiations are nested too deeply together", ctx.here, hint))
    warn_of_batch(ctx)
    if ctx.diagnostics.errors:
        return Elaborated(None, list(ctx.diagnostics), steps=ctx.spent, work=ctx.work)
    graph = ctx.finish()
    settle_nominal(graph)
    claims = 0
    for stage in ctx.stages:
        done = carried_out(ctx, graph, stage.rewrites)
        if done is None:
            return Elaborated(None, list(ctx.diagnostics), claims, steps=ctx.spent, work=ctx.work)
        graph = done
        claims += check_claims(ctx, stage.claims, graph, measures) if measures is not None else 0
    found = None if ctx.diagnostics.errors else graph
    return Elaborated(found, list(ctx.diagnostics), claims, graph, ctx.spent, ctx.work)


# Python takes memory for the frames of calls from the system in pieces of 16 KB, and gives a piece back once no call is
# left in it. A loop of calls at the end of a piece takes and gives back one for each of them, which made some
# elaborations take half as much time again. A call that needs much takes a larger piece, in which those inside it have
# room.
elaborate.__code__ = elaborate.__code__.replace(co_stacksize=1 << 16)
