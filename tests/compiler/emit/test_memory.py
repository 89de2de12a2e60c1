"""Networks that memory does not hold."""

from __future__ import annotations

import pytest
import torch
from graphs import small

import archc
from archc.compiler.emit import memory
from archc.compiler.emit.check import check_forward
from archc.compiler.emit.fx import to_graph_module
from archc.dsl.diagnostics import ArchError

HUGE = "arch A(c) { input x: [N, 3, 8, 8]  output x -> conv(c, 3) }"


@pytest.mark.parametrize("channels", [10**12, 10**18])
def test_weights_beyond_memory_are_refused_before_they_are_made(channels: int):
    with pytest.raises(ArchError) as error:
        archc.loads(HUGE, c=channels).module()
    (found,) = error.value.diagnostics
    assert found.code == "E0807" and "the weights of `A` take" in found.message and found.hints


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_torch_cannot_allocate_is_no_internal_error(monkeypatch: pytest.MonkeyPatch, device: str):
    monkeypatch.setattr(memory, "physical", lambda: None)
    with pytest.raises(ArchError) as error:
        archc.loads(HUGE, c=10**18).module(device=device)
    assert error.value.diagnostics[0].code == "E0807"


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
    ],
)
def test_memory_that_ends_in_forward(failure: Exception):
    module = to_graph_module(small())

    def fail(*_: object) -> None:
        raise failure

    module.fc.register_forward_hook(fail)
    with pytest.raises(ArchError) as error:
        check_forward(module, small())
    assert error.value.diagnostics[0].code == "E0807"


def test_the_weights_bytes_are_those_of_the_module():
    state = to_graph_module(small()).state_dict()
    assert memory.weight_bytes(small()) == sum(tensor.nbytes for tensor in state.values())


def test_sizes_in_words():
    words = [memory.size_text(n) for n in (3, 2048, 3 << 29, 10**40, 10**400)]
    assert words == ["3 bytes", "2.0 KiB", "1.5 GiB", "8.7e+21 EiB", "8.7e+281 EiB"]
