"""Edits of shipped specs: each is accepted or refused with places, and what is accepted runs."""

from __future__ import annotations

import random
import re

import torch
from faults import edited_text
from hypothesis import given, settings
from hypothesis import strategies as st

import archc
from archc.catalog import shipped
from archc.compiler.emit.trials import make_inputs
from archc.compiler.program import Program

TEXTS = [text for path in sorted(set(shipped().values())) if len(text := path.read_text("utf-8")) < 4000]
PIECES = re.compile(r"\w+|\s+|[^\w\s]+")


@st.composite
def edits(draw: st.DrawFn) -> str:
    """A spec's text, with one word of another value, or with pieces moved about."""
    text = draw(st.sampled_from(TEXTS))
    if draw(st.booleans()):
        return edited_text(text, random.Random(draw(st.integers(0, 2**32))))[0]
    pieces = PIECES.findall(text)
    for _ in range(draw(st.integers(1, 3))):
        at, other = (draw(st.integers(0, len(pieces) - 1)) for _ in range(2))
        pieces[at : at + draw(st.integers(0, 3))] = pieces[other : other + draw(st.integers(0, 3))]
        pieces = pieces or [" "]
    return "".join(pieces)


@settings(max_examples=25)
@given(edits())
def test_an_edited_spec_is_refused_or_runs(text: str) -> None:
    found = archc.check(text=text)
    assert all(d.code and (d.span is not None or d.labels) for d in found), found
    if any(d.severity == "error" for d in found):
        return
    program = Program.parse(text)
    for arch in [a for a in program.arches().values() if a.has_defaults][:2]:
        net = archc.loads(text, arch.name)
        if len(net.ir.nodes) < 300:
            with torch.no_grad():
                inputs = make_inputs(net.ir, net.ir.nominal, "meta", torch.float32)
                net.module(device="meta").eval()(*inputs)
