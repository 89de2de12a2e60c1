"""Networks with several outputs: some that were hard to draw, and random ones."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = ("y", "p2", "logits", "boxes_and_scores", "a_very_long_name_of_an_output_that_goes_on")
BLOCKS = """
block head(c) = conv(32, 3) -> relu -> gap -> linear(c)
block unit(c) = id + (conv(c, 3) -> bn -> relu -> conv(c, 3))
block tower(c)
  = concat(a: conv(c, 1), b: (conv(c, 1) -> relu -> conv(c, 3)), c: (maxpool(3, 1, padding = 1) -> conv(c, 1)))
"""
BODIES = {
    "heads": """
  input image: [N, 3, 64, 64]
  h = image -> stem: [conv(16, 3), bn, relu] -> body: ([conv(16, 3), bn, relu] ** 3)
  output boxes = h -> box: head(4)
  output classes = h -> cls: head(21)""",
    "joined": """
  input image: [N, 3, 64, 64]
  a = image -> left: conv(16, 3)
  b = image -> right: conv(16, 3)
  h = (a, b) -> concat
  output joined = h
  output sum = a + b
  output a_very_long_name_of_an_output_that_goes_on = h -> gap -> linear(10)""",
    "pyramid": """
  input x: [N, 3, 128, 128]
  c2 = x -> conv(64, 3, stride = 2) -> relu
  c3 = c2 -> conv(128, 3, stride = 2) -> relu
  c4 = c3 -> conv(256, 3, stride = 2) -> relu
  m = (c4 -> upconv(128, 2), c3) -> concat
  output p2 = c2
  output p3 = m
  output p4_the_deepest_feature_map = c4
  output logits = m -> gap -> fc: linear(1000)""",
    "tapped": """
  input x: [N, 16, 32, 32]
  h1 = x -> t1: tower(8)
  h2 = h1 -> t2: tower(8)
  h3 = h2 -> t3: tower(8)
  output first = h1
  output second = h2
  output third = h3
  output aux = h2 -> conv(4, 1) -> gap -> linear(1000) when training""",
    "direct": """
  input q: [N, 5, 8]
  input k: [N, 5, 8]
  input v_with_a_long_name_to_see: [N, 5, 8]
  j = (q, k, v_with_a_long_name_to_see) -> concat(axis = -1)
  output a = j
  output b = j -> relu
  output c = q
  output d = (q, j) -> concat(axis = -1)""",
    "detector": """
  input image: [N, 3, 64, 64]
  c3 = image -> stem: conv(16, 7, 2) -> unit(16) -> unit(16)
  c4 = c3 -> down: (conv(32, 3, 2) -> bn -> relu) -> unit(32)
  p4 = c4 -> lateral4: conv(16, 1)
  p3 = (c3 -> lateral3: conv(16, 1)) + (p4 -> upsample(2))
  fused = concat(p3, p4 -> upsample(2))
  output scores = fused -> cls: conv(9, 3)
  output boxes = fused -> reg: conv(36, 3)
  output coarse_scores = p4 -> cls4: conv(9, 3)
  output a_very_long_name_of_an_output = c4 -> gap -> flatten -> linear(10) when training""",
    "seven": """
  input image: [N, 3, 64, 64]
  h = image -> stem: [conv(16, 3), bn, relu] -> body: ([conv(16, 3), bn, relu] ** 3)
  output boxes = h -> box: head(4)
  output classes = h -> cls: head(21)
  output masks = h -> mask: conv(8, 3)
  output depth = h -> depth: conv(1, 3)
  output normals = h -> normals: [conv(16, 3), relu, conv(3, 3)]
  output keys = h -> keys: head(17)
  output attributes = h -> attr: head(40)""",
    "ordered": """
  input x: [N, 8, 16, 16]
  a = x -> left: conv(8, 3)
  d = (a -> mid: conv(8, 3) -> bn -> relu -> low: conv(8, 3)) - a - x
  q = x -> flatten(2)
  k = d -> flatten(2) -> transpose
  m = (q, k) -> matmul
  n = (k, q) -> matmul
  o = (n -> flatten, m -> flatten) -> concat
  output p = (m -> flatten, o) -> concat""",
}
SPECS = {name: f"{BLOCKS}arch {name} {{{body}\n}}\n" for name, body in BODIES.items()}


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A spec whose layers take what any before them gave, alone, in a sum, a difference, a mean or a concatenation.
    What nothing takes is an output, and some of the rest."""
    channels = dict.fromkeys("xz"[: draw(st.integers(1, 2))], 8)
    lines = [f"input {name}: [N, 8, 16, 16]" for name in channels]
    taken: set[str] = set()
    for number in range(draw(st.integers(1, 12))):
        name, source = f"h{number}", draw(st.sampled_from(list(channels)))
        width, sources = channels[source], [source]
        kind = draw(st.sampled_from(["conv", "unit", "tower", "relu", "sum", "minus", "mean", "concat"]))
        if kind in ("sum", "minus", "mean", "concat"):
            fitting = [other for other, its in channels.items() if kind == "concat" or its == width]
            sources = draw(st.lists(st.sampled_from(fitting), min_size=2, max_size=4))
            network = f"({', '.join(sources)}) -> {kind}" if len(sources) > 1 else sources[0]
            network = " - ".join(sources) if kind == "minus" else network
            channels[name] = sum(channels[other] for other in sources) if kind == "concat" else width
        else:
            channels[name] = {"conv": draw(st.sampled_from([8, 1000])), "tower": 24}.get(kind, width)
            layers = {"conv": f"conv({channels[name]}, 3)", "unit": f"unit({width})", "tower": "tower(8)"}
            network = f"{source} -> {layers.get(kind, kind)}"
        taken.update(sources)
        lines.append(f"{name} = {network}")
    rest = draw(st.sets(st.sampled_from(sorted(taken)), max_size=3))
    for number, name in enumerate([*(name for name in channels if name not in taken), *sorted(rest)]):
        end = draw(st.sampled_from(["", "", " -> gap -> linear(1000)", " -> relu"]))
        when = " when training" if number and draw(st.booleans()) else ""
        lines.append(f"output {draw(st.sampled_from(NAMES))}{number} = {name}{end}{when}")
    return f"{BLOCKS}arch net {{\n  " + "\n  ".join(lines) + "\n}\n"
