"""The judge of `tests/faults.py`: what is not edited runs, and what cannot run is found."""

from __future__ import annotations

import random

import faults
import pytest

import archc

NOTHING = faults.Edit("nothing", lambda graph: None, 10**9)
NAMES = (
    "resnet18",
    "densenet121",
    "mobilenet_v3_small",
    "inception_v3",
    "vit_b_16",
    "swin_t",
    "stn_svhn_multi",
    "unet",
)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_edited_runs_as_before(name: str) -> None:
    assert faults.runs_as_before(archc.load(name).ir, NOTHING) is True


def test_what_torch_refuses_and_archc_accepts_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    net = archc.loads("arch A { input x: [N, 4, 8, 8] output x -> conv(8, 3) -> relu -> conv(8, 3) }")
    rewired = faults.Edit("rewired", lambda graph: None, 3, inputs=((0, 0),))
    assert faults.runs_as_before(net.ir, rewired) is False
    report = faults.Report()
    monkeypatch.setattr(faults, "make_inputs", lambda *_: [])
    faults.accepted("without its input", net, report)
    assert len(report.missed) == 1 and report.recall == 0


def test_single_edits_are_refused_where_they_do_not_run() -> None:
    report = faults.run(6, 5)
    assert (report.missed, report.false) == ([], []) and sum(report.count.values()) == 6


def test_every_number_among_settings_has_another_one() -> None:
    net = archc.loads("arch A { input x: [N, 4, 8, 8] output x -> softmax(axis = -1) -> softmax(axis = -2) }")
    for seed in range(20):
        edited = net.graph
        faults.nudged(net.ir, net.ir.nodes[-1], random.Random(seed)).apply(edited)
        changed = [n for n in edited if edited.nodes[n] != net.graph.nodes[n]]
        assert len(changed) == 1 and edited.nodes[changed[0]].get("axis", 1) != 0


def test_an_edit_of_a_layer_that_is_applied_twice_is_one_of_both() -> None:
    net = archc.loads("arch A { input x: [N, 4, 8, 8] shared f = conv(4, 3) output x -> f -> f }")
    for seed in range(10):
        report = faults.Report()
        faults.graph_edit(net, "A", faults.nudged(net.ir, net.ir.nodes[-1], random.Random(seed)), report)
        assert (report.missed, report.false) == ([], []) and "E1107" not in report.unjudged


def test_a_stretched_branch_is_no_false_alarm() -> None:
    """Torch adds a map of one place to any; that archc refuses it is a rule of the language."""
    net = archc.loads("arch A { input x: [N, 4, 8, 8] a = x -> maxpool(8) output a + (x -> maxpool(8)) }")
    edit = faults.Edit("rewired", lambda graph: None, net.ir.nodes[-1].index, inputs=((0, 0), (1, 0)))
    assert faults.runs_as_before(net.ir, edit) is None
