"""Nothing but checked names reaches generated code."""

from __future__ import annotations

import pytest
import torch
from graphs import Net
from python_compare import load_source
from torch import fx

import archc
from archc.compiler.decompile.python.file import to_python
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.emit.modules import _rebuild
from archc.compiler.emit.names import check_graph, identifier, is_identifier
from archc.compiler.emit.targets import resolve
from archc.compiler.ir.errors import EmitError
from archc.compiler.ir.lowering import Program, Step, function
from archc.compiler.ops.merge import Add
from archc.dsl.diagnostics import ArchError

HOSTILE = ["x=print(1)", 'a", print(1), "', "a\nb", "a b", "x;y", "é", "", "a'", "class", "lambda", "None", "a(b)"]


@pytest.mark.parametrize("text", HOSTILE)
def test_identifiers_are_safe(text: str):
    assert not is_identifier(text)
    assert is_identifier(identifier(text))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_module_name_is_refused(name: str):
    net = Net()
    x = net.input("image")
    y = net("conv", "conv", x, channels=3, kernel=1)
    node = net.graph.nodes[y[0]]
    node.name = name
    net.graph.root.children = {name: node}
    net.output(y)
    if name == "":
        return
    with pytest.raises(EmitError):
        to_graph_module(net.graph)


@pytest.mark.parametrize("name", [*HOSTILE, "self", "torch", "operator", "getattr", "__class__"])
def test_a_hostile_input_name_is_refused(name: str):
    net = Net()
    net.output(net.input(name))
    with pytest.raises(ArchError) as error:
        to_graph_module(net.graph)
    assert error.value.diagnostics[0].code == "E0802"


@pytest.mark.parametrize("name", ["input", "print", "x", "len", "math"])
def test_builtins_are_fine_as_inputs(name: str):
    net = Net()
    x = net.input(name)
    net.output(net("0", "relu", net("", Add(), x, x)))
    assert torch.equal(to_graph_module(net.graph)(**{name: torch.ones(1, 3, 2, 2)}), torch.full((1, 3, 2, 2), 2.0))


@pytest.mark.parametrize("name", ["out'put", 'a"b', "x\ny"])
def test_output_names_are_quoted(name: str):
    net = Net()
    x = net.input("image")
    net.output(x)
    net.output(x, name=name)
    assert name in to_graph_module(net.graph)(torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize(
    "target",
    [
        *("os.system", "torch.os.system", "torch.serialization.load", "torch.nn.functional.__builtins__", "eval"),
        *(
            "builtins.print",
            "operator.__import__",
            "torch.hub.load",
            "torch.nn.Nothing",
            "operator.x=print(1)",
            "torch",
        ),
    ],
)
def test_targets_are_an_allow_list(target: str):
    with pytest.raises(EmitError):
        resolve(target)


def test_foreign_functions_and_names_do_not_pass_the_last_check():
    graph = fx.Graph()
    graph.output(graph.call_function(print, ("x",)))
    with pytest.raises(EmitError):
        check_graph(graph, {torch.relu})
    graph = fx.Graph()
    graph.output(graph.placeholder("x=print(1)"))
    with pytest.raises(EmitError):
        check_graph(graph, set())


@pytest.mark.parametrize("step", [Step("method", "__class__"), Step("method", "apply_"), function("torch.load", "x")])
def test_a_lowering_cannot_reach_beyond(step: Step):
    class Bad(Add):
        def lower(self, inputs, outputs):
            return Program((step,))

    net = Net()
    net.output(net("", Bad(), net.input("image")))
    with pytest.raises(EmitError):
        to_graph_module(net.graph)


def test_unpickling_checks_again():
    state = {"_modules": {}, "_parameters": {}, "_buffers": {}, "_non_persistent_buffers_set": set()}
    state |= {"training": True, "meta": {}}
    with pytest.raises(EmitError):
        _rebuild("A", state, [("placeholder", "x", "x=print(1)", (), {}, None)], None)
    with pytest.raises(EmitError):
        _rebuild("A", state, [("call_function", "x", "os.system", ("true",), {}, None)], None)


@pytest.mark.parametrize(
    "names", [["m", "F", "input"], ["len", "max", "Tensor", "Foo"], ["j", "k", "layer", "out", "x"]]
)
def test_written_python_takes_inputs_by_their_names(names: list[str]):
    inputs = "".join(f"  input {name}: [N, 4, 6, 6]\n" for name in names)
    net = archc.loads(f"arch Net {{\n{inputs}  output ({' + '.join(names)}) -> [conv(4, 3) ** 8]\n}}")
    module, given = net.module(seed=0), {name: torch.randn(2, 4, 6, 6) for name in names}
    written = load_source(to_python(net.ir), "Net")()
    written.load_state_dict(module.state_dict())
    assert torch.equal(written(**given), module(**given))


def test_an_input_named_as_what_the_forward_refers_to_has_another_name_in_written_python():
    merged = '(F -> silu -> pad(1, mode = "reflect")) * 2 + (F_ -> pad(1))'
    net = archc.loads(f"arch A {{ input F: [N, 4, 6, 6]  input F_: [N, 4, 6, 6]  output {merged} }}")
    x, y = torch.randn(2, 2, 4, 6, 6)
    assert torch.equal(load_source(to_python(net.ir), "A")()(x, y), net.module()(x, y))
