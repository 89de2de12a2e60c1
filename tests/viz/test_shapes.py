"""Which shapes stand along arrows."""

from __future__ import annotations

from elaborated_zoo import load

from archc.api import loads

from .test_diagram import of

PYRAMID = """
arch Pyramid() {
  input x: [N, 8, 32, 32] = [1, 8, 32, 32]
  c2 = x -> s2: conv(16, 3)
  c3 = c2 -> s3: conv(32, 3, 2)
  c4 = c3 -> s4: conv(64, 3, 2)
  p4 = c4 -> l4: conv(32, 1)
  p3 = (c3 -> l3: conv(32, 1)) + (p4 -> upsample(2))
  p2 = (c2 -> l2: conv(32, 1)) + (p3 -> upsample(2))
  output p2 -> conv(32, 3)
}
"""
PROJECTION = """
arch Net() {
  input x: [N, 8, 16, 16] = [1, 8, 16, 16]
  y = x -> conv(8, 3)
  output (y -> conv(16, 3, 2) -> relu -> conv(16, 3)) + (y -> conv(16, 1, 2)) -> conv(16, 3)
}
"""


def test_shapes_stand_where_they_change() -> None:
    diagram = of(load("resnet50"))
    told = [edge.shape for edge in diagram.edges]
    assert told[:3] == [(3, 224, 224), (64, 112, 112), (64, 56, 56)]
    assert told[-1] == (1000,)
    assert len(set(told)) == len(told)


def test_a_shape_stands_behind_the_sum_where_it_changes() -> None:
    diagram = of(loads(PYRAMID))
    sums = [box.id for box in diagram.boxes if box.title == "sum"]
    told = {edge.source: edge.shape for edge in diagram.edges}
    assert [told[box] for box in sums] == [(32, 16, 16), (32, 32, 32)]


def test_a_sum_of_what_was_told_last_tells_no_shape() -> None:
    diagram = of(loads(PROJECTION))
    (total,) = [box.id for box in diagram.boxes if box.title == "sum"]
    assert [edge.shape for edge in diagram.edges if edge.source == total] == [None]
