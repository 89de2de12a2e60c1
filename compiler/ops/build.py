"""From a call's arguments to an op or a rewrite, with errors for the author of the spec."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ...dsl.diagnostics import Hint
from ...dsl.frameworks import is_activation, setting_here, why_left_out
from ..ir.initialisers import Initialiser
from ..ir.op import Declared
from ..ir.words import alternatives, did_you_mean, is_symbolic, is_whole, met, say
from .values import Shown, Words

D = TypeVar("D", bound=Declared)


class ArgumentError(Exception):
    """A call's arguments do not do. `parameter` is the one at fault, None where it is the call as a whole."""

    def __init__(self, parameter: str | None, message: str, hints: tuple[str, ...] = ()):
        self.parameter = parameter
        self.hints = hints
        super().__init__(message)


def build_op(cls: type[D], positional: list[Any], keywords: dict[str, Any]) -> D:
    """The layer or rewrite that a call means. Raises ArgumentError."""
    values = bind(cls, positional, keywords)
    try:
        return cls(**values)
    except ValidationError as error:
        found = _translated(cls, error.errors(include_url=False)[0])
        raise ArgumentError(
            found.parameter,
            str(found),
            (*_by_name(cls, positional, keywords), *_otherwise(cls, positional, keywords), *found.hints),
        ) from None


def bind(cls: type[Declared], positional: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, each given once, all known and none missing. Their values are not looked at."""
    if len(positional) > len(cls.positional):
        hints = (*_as_list(cls, positional), *_by_name(cls, positional, keywords), _form(cls))
        raise ArgumentError(None, _too_many(cls, len(positional)), hints)
    values = dict(zip(cls.positional, positional, strict=False))
    extra: dict[str, Any] = {}
    unknown = [name for name in keywords if name not in cls.model_fields and not cls.extra_keywords]
    if unknown:
        several = "s" if len(unknown) > 1 else ""
        message = f"{cls.kind} has no parameter{several} {' and '.join(f'`{name}`' for name in unknown)}"
        meant = [hint for name in unknown for hint in setting_meant(name, cls)]
        raise ArgumentError(unknown[0], message, (*meant, _form(cls)))
    for name, value in keywords.items():
        if cls.extra_keywords and (name not in cls.model_fields or name == cls.extra_keywords):
            extra[name] = value
            continue
        if name in values:
            raise ArgumentError(name, f"{cls.kind} gets `{name}` twice, by position and by keyword", (_form(cls),))
        values[name] = value
    missing = [name for name in parameter_names(cls) if cls.model_fields[name].is_required() and name not in values]
    if missing:
        needed = " and ".join(f"`{name}`" for name in missing)
        without = () if values or not cls.without_settings else (cls.without_settings,)
        raise ArgumentError(None, f"{cls.kind} needs {needed}", (*without, _form(cls)))
    if cls.extra_keywords:
        values[cls.extra_keywords] = extra
    return values


def setting_meant(name: str, cls: type[Declared]) -> tuple[str, ...]:
    """A hint that says which setting an unknown one is, by what other frameworks call it or by its spelling."""
    here = setting_here(name, cls.model_fields)
    if here is not None:
        return (Hint(f"here `{name}` is `{here}`", here, old=name),)
    if is_activation(name):
        return ("an activation stands behind its layer, as in `conv(64, 3) -> relu`",)
    reason = why_left_out(name)
    return (f"leave `{name}` out: {reason}",) if reason is not None else did_you_mean(name, cls.model_fields)


def _too_many(cls: type[Declared], given: int) -> str:
    most = len(cls.positional)
    if not most:
        how = "its arguments by name" if parameter_names(cls) else "no arguments by position"
        return f"{cls.kind} takes {how}, and gets {given}{' by position' if parameter_names(cls) else ''}"
    names = ", ".join(cls.positional)
    return f"{cls.kind} takes at most {most} argument{'s' if most > 1 else ''} by position ({names}), and gets {given}"


_BATCHES = ("N", "B")
"""What the size of the batch is mostly called; torch takes -1 for it too."""


def _as_list(cls: type[Declared], positional: list[Any]) -> tuple[str, ...]:
    """Hints for several numbers where a layer takes one list of them, `permute(0, 2, 1)`, or a number and an axis."""
    if not all(is_whole(value) or is_symbolic(value) for value in positional):
        return ()
    found: list[str] = []
    *before, axis = positional
    if _does(cls, before, {"axis": axis}):
        call = ", ".join([*map(say, before), f"axis = {axis}"])
        shown = f"{cls.kind}({call})" if before else call
        found.append(Hint(f"name the axis: `{shown}`", call, old=say(positional)[1:-1]))
    if _does(cls, [positional], {}):
        batch = cls.keeps_batch and len(positional) > 1 and say(positional[0]) in (*_BATCHES, "-1")
        one, without = say(positional[1:] if batch else positional), ", without the batch" if batch else ""
        found.append(Hint(f"write them as one list{without}: `{cls.kind}({one})`", one, old=say(positional)[1:-1]))
    return tuple(found)


def _by_name(cls: type[Declared], positional: list[Any], keywords: dict[str, Any]) -> tuple[str, ...]:
    """A hint for the one word by position that is another's: `conv(8, 3, "same")`, or `upsample(2, bilinear)`."""
    words = [value.kind if isinstance(value, Initialiser) else value for value in positional]
    places = [place for place, word in enumerate(words) if isinstance(word, str)]
    if len(places) != 1:
        return ()
    (place,) = places
    word, others = words[place], positional[:place] + positional[place + 1 :]
    free = [name for name in parameter_names(cls) if name not in (*cls.positional[: len(others)], *keywords)]
    meant = next((name for name in free if _does(cls, others, {**keywords, name: word})), None)
    if meant is None:
        return ()
    named = f"{meant} = {say(word)}"
    shown = [*map(say, others), named, *(f"{name} = {say(value)}" for name, value in keywords.items())]
    hint = f"name it: `{cls.kind}({', '.join(shown)})`"
    last = place == len(others)
    return (Hint(hint, named, old=say(positional[place])) if last else hint,)


def _otherwise(cls: type[Declared], positional: list[Any], keywords: dict[str, Any]) -> tuple[str, ...]:
    """A hint for the one argument by position of a call that does not do: it is another's value, `crop([4, 4])`, or
    the list of what a layer takes side by side, `flatten([1, 2])`."""
    if len(positional) != 1:
        return ()
    (given,) = positional
    numbers = given if isinstance(given, list) and all(map(is_whole, given)) else None
    if numbers is None and not is_whole(given):
        return ()
    one = say(given)
    others = (name for name in parameter_names(cls) if name not in cls.positional[:1])
    meant = next((name for name in others if _does(cls, [], {**keywords, name: given})), None)
    if meant is not None:
        call = f"{meant} = {one}"
        return (Hint(f"name it: `{cls.kind}({call})`", call, old=one),)
    if numbers and _does(cls, numbers, keywords):
        return (Hint(f"write them without brackets: `{one[1:-1]}`", one[1:-1], old=one),)
    return ()


def _does(cls: type[Declared], positional: list[Any], keywords: dict[str, Any]) -> bool:
    """Whether a call has arguments that the layer takes."""
    if len(positional) > len(cls.positional) or not keywords.keys() <= cls.model_fields.keys():
        return False
    try:
        cls(**bind(cls, positional, keywords))
    except (ArgumentError, ValidationError):
        return False
    return True


def _form(cls: type[Declared]) -> str:
    """How a layer is called: what it needs as a call, and the rest by name."""
    named = [name for name in parameter_names(cls) if name not in cls.positional]
    names = ", ".join(f"`{name}`" for name in named)
    if not named and not cls.positional:
        return f"`{cls.kind}` has no settings"
    if cls.positional:
        return f"it is `{_call(cls, cls.positional)}`{f', and by name {names}' if named else ''}"
    fields = {name: cls.model_fields[name] for name in named if name != cls.extra_keywords}
    needed = {name: field.description for name, field in fields.items() if field.is_required()}
    if not needed:
        return f"`{cls.kind}` takes by name: {names}"
    call = ", ".join(f"{name} = ..." for name in needed)
    told = " and ".join(f"`{name}` is {text}" for name, text in needed.items() if text)
    return f"it is `{cls.kind}({call})`{told and f', where {told}'}"


@cache
def parameter_names(cls: type[Declared]) -> tuple[str, ...]:
    """The parameters in the order in which they are shown: those that may stand by position first."""
    hidden = {*cls.positional, *cls.set_by_operators}
    rest = (name for name in cls.model_fields if name not in hidden)
    return (*cls.positional, *rest)


@cache
def signature(cls: type[Declared]) -> str:
    """`conv(channels, kernel, stride = 1, ...)`, as the reference shows it."""
    return _call(cls, parameter_names(cls))


def _call(cls: type[Declared], names: tuple[str, ...]) -> str:
    parts = []
    for name in names:
        if name == cls.extra_keywords:
            parts.append("...")
            continue
        default = default_text(cls.model_fields[name])
        parts.append(name if default is None else f"{name} = {default}")
    return f"{cls.kind}({', '.join(parts)})" if parts else cls.kind


def default_text(info: FieldInfo) -> str | None:
    """A default as a spec would write it, None where there is none."""
    if info.is_required():
        return None
    shown = next((m.text for m in info.metadata if isinstance(m, Shown)), None)
    return shown or say(info.get_default(call_default_factory=True))


def type_words(info: FieldInfo) -> str:
    """What the reference calls a parameter's type."""
    found = next((m.text for m in info.metadata if isinstance(m, Words)), None)
    return found or _type_words(info.annotation)


_PLAIN = {bool: "true or false", int: "whole number", float: "number", str: "string", list: "list", tuple: "list"}


def _type_words(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return next((m.text for m in metadata if isinstance(m, Words)), None) or _type_words(inner)
    members = [a for a in get_args(annotation) if a is not type(None)]
    if members and get_origin(annotation) not in _PLAIN:
        return alternatives(dict.fromkeys(say(m) if isinstance(m, str) else _type_words(m) for m in members))
    return _PLAIN.get(get_origin(annotation) or annotation, "value")


_LIMITS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _translated(cls: type[Declared], error: Any) -> ArgumentError:
    """An error of a check in words; pydantic's own wording never reaches a user."""
    cause = error.get("ctx", {}).get("error")
    parameter = str(error["loc"][0]) if error["loc"] else None
    if isinstance(cause, ValueError):
        parameter = getattr(cause, "parameter", None) or parameter
        subject = f"`{parameter}` of {cls.kind}" if parameter else cls.kind
        return ArgumentError(parameter, f"{subject} {cause}", getattr(cause, "hints", ()))
    subject = f"`{parameter}` of {cls.kind}" if parameter else cls.kind
    value = met(error["input"])
    if error["type"] in _LIMITS:
        words, bound = _LIMITS[error["type"]]
        return ArgumentError(parameter, f"{subject} must be {words} {error['ctx'][bound]}, not {value}")
    wanted = type_words(cls.model_fields[parameter]) if parameter in cls.model_fields else "other values"
    article = "" if wanted.startswith('"') else "a "
    return ArgumentError(parameter, f"{subject} must be {article}{wanted}, not {value}")
