"""The table of layers, their reference entries and their error codes."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from checkout import codes_in
from pydantic import PlainValidator

from archc.compiler.ops.reference import reference
from archc.compiler.ops.registry import INTERNAL, LAYERS, lookup, lookup_kind, names
from archc.dsl.codes import explained


@pytest.mark.parametrize("name", [*LAYERS, *INTERNAL])
def test_every_entry_leads_to_an_op_of_its_name(name):
    cls = lookup_kind(name)
    assert cls is not None and cls.kind == name
    assert set(cls.positional) <= set(cls.model_fields)
    assert set(cls.tensor_parameters) <= set(cls.model_fields)


@pytest.mark.parametrize("name", [*LAYERS, *INTERNAL])
def test_checks_of_settings_take_the_value_alone(name):
    """The lowest pydantic would hand a second argument to whatever has one, also with a default."""
    cls = lookup_kind(name)
    assert cls is not None
    for field in cls.model_fields.values():
        for check in (entry.func for entry in field.metadata if isinstance(entry, PlainValidator)):
            assert len(inspect.signature(check).parameters) == 1, (name, check)


def test_what_the_language_makes_itself_is_no_layer():
    assert lookup("affine") is None and lookup("nonsense") is None
    assert "affine" not in set(names())


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_and_parameter_is_documented(name):
    cls = lookup(name)
    assert cls is not None and cls.__doc__ is not None and "__doc__" in vars(cls)
    entry = reference(cls)
    assert entry.summary.endswith((".", ")", ":"))
    assert entry.signature.startswith(name)
    for parameter in entry.parameters:
        assert parameter.description, parameter.name
        assert parameter.type and parameter.type != "value", parameter.name


def test_a_reference_entry():
    cls = lookup("linear")
    assert cls is not None
    entry = reference(cls)
    units, bias, *_ = entry.parameters
    assert (units.name, units.type, units.default, units.positional) == ("units", "positive whole number", None, True)
    assert (bias.default, bias.positional) == ("true", False)


@pytest.mark.parametrize("name", ["crop", "affine_grid", "upsample"])
def test_a_tensor_beside_the_input_is_one_in_the_reference(name):
    (entry,) = [p for p in reference(lookup(name)).parameters if p.name == "like"]
    assert (entry.type, entry.default) == ("tensor", "none")


def test_codes_teach():
    for code in codes_in("archc.compiler.ops"):
        page = explained(code)
        assert code.startswith(("E03", "E04", "E091")) and page.wrong and page.right


def test_no_layer_is_imported_before_it_is_used_and_torch_never():
    script = (
        "import sys; from archc.compiler.ops.registry import lookup, names; import archc.compiler.ops.build\n"
        "print('archc.compiler.ops.conv' in sys.modules)\n"
        "[lookup(n) for n in names()]\n"
        "print('archc.compiler.ops.conv' in sys.modules, 'torch' in sys.modules, 'networkx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False", "False"]
