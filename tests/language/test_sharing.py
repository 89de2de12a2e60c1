"""What has a name is applied once, or it is said how it is meant: as `shared` or as a `block`."""

from __future__ import annotations

import re

import pytest

import archc

INPUT = "arch A { input x: [N, 4, 8, 8]\n "


@pytest.mark.parametrize(("element", "name"), [("fs[0]", "f"), ("f", "g")])
@pytest.mark.parametrize(("way", "kernels"), [(0, 1), (1, 2)])
def test_what_is_applied_twice_is_shared_or_a_block(element: str, name: str, way: int, kernels: int) -> None:
    start = "fs = [conv(4, 3), relu]\n" if element == "fs[0]" else "f, r = [conv(4, 3), relu]\n"
    text = f"{INPUT}{start} output x -> {element} -> {element} }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0505"
    written = re.search("`([^`]+)`", found.hints[way])[1]  # type: ignore[index]
    assert written == (f"shared {name} = {element}", f"block {name} = ...")[way]
    if way == 0:
        text = text.replace(" output", f" {written}\n output").replace(f"-> {element}", f"-> {name}")
    else:
        declared = written.replace("...", "conv(4, 3)")
        text = text.replace("[conv(4, 3)", f"[{name}").replace(start[:2], f"{declared}\n{start[:2]}", 1)
    text = text.replace(" }", f"\n expect params == {kernels} * 4 * 4 * 9 }}")
    assert archc.check(text=text) == []
