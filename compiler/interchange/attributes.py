"""What a graph of networkx may say: of a node beside its op's settings, of an edge, of the graph as a whole."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from ...dsl.diagnostics import Fault, fault
from ...dsl.limits import LIMITS
from ...dsl.scan import is_doc
from ...dsl.source import Span
from ...grammar.parser import words
from ..elaborate.module_names import check_segment
from ..ir.graph import Origin, WeightMap
from ..ir.words import did_you_mean, python_number, whole
from ..ops.build import type_words
from ..ops.values import Bool, Count, Words

Key = Hashable
"""What networkx calls a node."""


def _checked(check: Callable[[Any], bool]) -> PlainValidator:
    def validate(value: Any) -> Any:
        if not check(value):
            raise ValueError
        return value

    return PlainValidator(validate)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _are_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def check_path(path: str) -> bool:
    """Raises a Fault (E0501 to E0503, E0911) where a dotted path cannot be that of a module."""
    segments = path.split(".")
    if len(segments) > LIMITS.instantiation_depth:
        raise fault("E0911", f"scopes are nested more than {LIMITS.instantiation_depth} deep", None)
    for segment in segments:
        check_segment(segment, None)
    return True


Text = Annotated[str, Words("a text")]
Doc = Annotated[
    str,
    _checked(lambda value: isinstance(value, str) and is_doc(value)),
    Words('a text without `"""` and invisible characters'),
]
Said = Annotated[dict[str, Any], Words("a dict")]
Name = Annotated[
    str,
    _checked(lambda value: words().is_name(value)),
    Words("a word of letters, digits and `_` that is no word of the language"),
]
Path = Annotated[
    str,
    _checked(lambda value: isinstance(value, str) and (not value or check_path(value))),
    Words("a dotted name"),
]
Node = Annotated[Key, _checked(_is_hashable), Words("a node")]
Mark = Annotated[Key, _checked(_is_hashable), Words("a number or a name, equal for what belongs together")]
Number = Annotated[int, PlainValidator(lambda value: whole(value, 0)), Words("a whole number from 0")]
Given = Words("what `Architecture.graph` gives")
# The lowest pydantic that archc takes looks into the classes of `InstanceOf`; their types are not there at run time.
AnOrigin = Annotated[Any, _checked(lambda value: isinstance(value, Origin))]
ASpan = Annotated[Any, _checked(lambda value: isinstance(value, Span))]
AMap = Annotated[Any, _checked(lambda value: isinstance(value, WeightMap))]


class Attributes(BaseModel):
    """Base of what may be said. Every attribute has a fixed name and values of one kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)


class OfNode(Attributes):
    """Of a node, beside its op's settings."""

    op: Any = None
    path: Path | None = Field(None, description="its module's name, dotted; unless told its kind, within `scope`")
    scope: Path = Field("", description="the path of the scope that something without a name stands in")
    given: Annotated[tuple[Text, ...], _checked(_are_names), Words("a list of names")] = Field(
        (), description="the weights that are tensors, the last of its inputs"
    )
    frozen: Bool = Field(False, description="whether its parameters do not train")
    recompute: Mark | None = Field(None, description="equal for the nodes of one part that training computes again")
    shared_with: Node | None = Field(None, description="the node whose parameters it uses")
    types: Any = Field(None, description="what it makes, which is inferred anew")
    arriving: Any = Field(None, description="of an `extern`: the types that it was declared for")
    origin: Annotated[AnOrigin | None, Given] = Field(None, description="the blocks that it comes from")
    span: Annotated[ASpan | None, Given] = Field(None, description="where in a spec it comes from")
    names: Annotated[tuple[tuple[int, Name, AnOrigin | None], ...], Given] = Field(
        (), description="what a spec calls its outputs"
    )
    entries: Annotated[tuple[tuple[tuple[int, AnOrigin | None], int], ...], Given] = Field(
        (), description="which blocks its outputs go into, and in which place"
    )
    exits: Annotated[tuple[tuple[tuple[int, AnOrigin | None], tuple[int, ...]], ...], Given] = Field(
        (), description="which blocks put its outputs out, and in which places"
    )


NODE = frozenset(OfNode.model_fields)


class OfInput(Attributes):
    """Of an input, in the place of its op's settings."""

    name: Name = Field(description="the argument of the module's forward; without it, what networkx calls the node")
    shape: Any = Field(None, description="its sizes: numbers, and names of those that are left open")
    dtype: Text = Field("float", description="`float`, `int`, `bool` or `tokens`")
    nominal: Any = Field(None, description="its usual sizes")


class OfEdge(Attributes):
    """Of an edge."""

    slot: Number | None = Field(None, description="the place among the inputs; it may be left out where none matters")
    port: Number = Field(0, description="which output of its source it is")


class OfOutput(Attributes):
    """Of one of the `outputs`."""

    name: Name | None = None
    values: Annotated[list[tuple[Node, Any]], Field(min_length=1), Words("a list of pairs (node, port)")]
    when_training: Bool = False


class OfPath(Attributes):
    """Of a path in `modules`: of a scope, or of a second name."""

    block: Text | None = None
    arguments: Said = Field(default_factory=dict)
    series: Mark | None = Field(None, description="equal for the scopes that one power numbered")
    shared: Bool = False
    same_as: Text | None = Field(None, description="the path that this one is a second name of")


class Maps(Attributes):
    """The maps of weights, and the tensors that they are for."""

    maps: list[AMap]
    tensors: Any


class OfGraph(Attributes):
    """Of the graph."""

    name: Name = "net"
    doc: Doc | None = None
    parameters: Said = Field(default_factory=dict)
    notes: Said = Field(default_factory=dict)
    outputs: (
        Annotated[
            list[dict[str, Any]], Field(min_length=1), Words('a list such as `[{"name": None, "values": [(node, 0)]}]`')
        ]
        | None
    ) = None
    modules: Annotated[
        dict[str, dict[str, Any]],
        Words('a dict from paths to what is said of them, as `{"body": {"block": "unit"}, "body.0": {}}`'),
    ] = Field(default_factory=dict)
    assumed: Annotated[dict[str, Count], Words("a dict of sizes, which are whole numbers")] = Field(
        default_factory=dict
    )
    weight_maps: Annotated[Maps, Given] | None = None


A = TypeVar("A", bound=Attributes)


def read(cls: type[A], what: str, given: Mapping[Any, Any]) -> A:
    """What is said of something. Raises a Fault (E1103)."""
    known = cls.model_fields
    for name in given:
        if name not in known:
            hints = did_you_mean(str(name), known) or (f"it may have {', '.join(known)}",)
            raise fault("E1103", f"{what} has no attribute `{str(name)[:60]}`", None, *hints)
    try:
        return cls(**{name: plain(value) for name, value in given.items()})
    except ValidationError as error:
        name = str(error.errors(include_url=False, include_input=False)[0]["loc"][0])
        message = f"`{name}` must be {type_words(known[name])}, not {_shown(given.get(name))}"
        raise fault("E1103", message, None) from None


def plain(value: Any) -> Any:
    """A value as layers take it: numbers of numpy as Python's."""
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else python_number(value)


def called(key: Any) -> str:
    """A node, in a message."""
    return f"node {_shown(key)}"


def at(key: Key, problem: Fault) -> Fault:
    """The same Fault, with the node named first."""
    return Fault(replace(problem.diagnostic, message=f"{called(key)}: {problem.diagnostic.message}", span=None))


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
