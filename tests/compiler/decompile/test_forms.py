"""The forms of one architecture do the same: the torch.fx module, the generated Python, and the module of the spec that
is written back."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from python_compare import assert_equal_modules, assert_same_function, load_source
from random_programs import elaborated, graphs, images, programs

from archc.compiler.decompile.arch.spec import written
from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program
from archc.dsl.diagnostics import ArchError


@given(text=programs())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_all_forms_of_a_program_do_the_same(text: str) -> None:
    graph = elaborated(text)
    again = Program.parse(written(graph)).elaborate("Net").graph
    assert again is not None
    source = load_source(to_python(graph), class_name(graph))()
    assert_same_function(to_graph_module(graph), [to_graph_module(again), source], images(graph))


@given(graph=graphs())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_all_forms_of_a_graph_do_the_same(graph: Graph) -> None:
    inputs = images(graph)
    assert_equal_modules(graph, inputs)
    try:
        again = Program.parse(written(graph)).elaborate("Net").graph
    except ArchError as refusal:
        assert "nothing is applied under it" in str(refusal)
        return
    assert again is not None
    assert_same_function(to_graph_module(graph), [to_graph_module(again)], inputs)
