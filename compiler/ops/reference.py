"""The reference entry of a layer, from which hover text and the documentation are made."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import cleandoc

from ..ir.op import Op
from .build import default_text, parameter_names, signature, type_words


@dataclass(frozen=True, slots=True)
class ParameterEntry:
    """One parameter. `default` is as a spec writes it, None where the parameter must be given."""

    name: str
    type: str
    default: str | None
    description: str
    positional: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A layer in the reference. `weights` says whether it owns parameters or buffers."""

    kind: str
    signature: str
    doc: str
    parameters: tuple[ParameterEntry, ...]
    weights: bool
    arity: int | None

    @property
    def summary(self) -> str:
        """The first paragraph of the documentation."""
        return self.doc.split("\n\n", 1)[0].replace("\n", " ")


def reference(cls: type[Op]) -> Entry:
    """The reference entry of a layer."""
    fields = cls.model_fields
    parameters = tuple(
        ParameterEntry(
            name,
            type_words(fields[name]),
            default_text(fields[name]),
            fields[name].description or "",
            name in cls.positional,
        )
        for name in parameter_names(cls)
    )
    return Entry(cls.kind, signature(cls), cleandoc(cls.__doc__ or ""), parameters, cls.has_weights, cls.arity)
