"""Networks that are no columns beside columns: pyramids, exchange units, nested U-nets, and random ones."""

from __future__ import annotations

from hypothesis import strategies as st

BLOCKS = """
block cbr(c, k = 3, s = 1) = conv(c, k, s) -> bn -> relu
block enlarge(c, by) = conv(c, 1) -> bn -> upsample(scale = by)
block shrink(c) = conv(c, 3, 2) -> bn
block up_add(c)(top, side) { output (top -> upsample(scale = 2)) + (side -> conv(c, 1)) }
block node(c)(*xs) = concat(*xs) -> conv(c, 3) -> bn -> relu
block mixed(c)(x, y) { output ((x -> conv(c, 3)) + y, (y -> cbr(c)) * x) }
"""
BODIES = {
    "pyramid": """
  input image: [N, 3, 128, 128]
  c3 = image -> stem: (cbr(32, 3, 2) -> cbr(64, 3, 2)) -> s3: (cbr(128, 3, 2) -> cbr(128) ** 2)
  c4 = c3 -> s4: (cbr(256, 3, 2) -> cbr(256) ** 2)
  p5 = c4 -> s5: (cbr(512, 3, 2) -> cbr(512) ** 2) -> l5: conv(256, 1)
  p4 = (p5, c4) -> l4: up_add(256)
  p3 = (p4, c3) -> l3: up_add(256)
  shared head = cls: (cbr(256) ** 2 -> conv(80, 1, bias = true))
  output p3 = p3 -> head
  output p4 = p4 -> head
  output p5 = p5 -> head""",
    "exchange": """
  input image: [N, 3, 64, 64]
  x = image -> stem: (cbr(32, 3, 2) -> cbr(32, 3, 2))
  a = x -> t1: cbr(32) -> b11: cbr(32)
  b = x -> t2: cbr(64, 3, 2) -> b21: cbr(64)
  fa = (a + (b -> f12: enlarge(32, 2))) -> relu
  fb = ((a -> f21: shrink(64)) + b) -> relu
  ga = fa -> c11: cbr(32)   gb = fb -> c21: cbr(64)   gc = fb -> t3: cbr(128, 3, 2) -> c31: cbr(128)
  ha = (ga + (gb -> g12: enlarge(32, 2)) + (gc -> g13: enlarge(32, 4))) -> relu
  hb = ((ga -> g21: shrink(64)) + gb + (gc -> g23: enlarge(64, 2))) -> relu
  hc = ((ga -> g31: (cbr(128, 3, 2) -> shrink(128))) + (gb -> g32: shrink(128)) + gc) -> relu
  output (ha, hb -> upsample(scale = 2), hc -> upsample(scale = 4)) -> concat -> head: conv(19, 1)""",
    "nested": """
  input image: [N, 3, 64, 64]
  x00 = image -> x00: node(32)            x10 = x00 -> maxpool(2) -> x10: node(64)
  x20 = x10 -> maxpool(2) -> x20: node(128)   x30 = x20 -> maxpool(2) -> x30: node(256)
  x01 = (x00, x10 -> upsample(2)) -> x01: node(32)
  x11 = (x10, x20 -> upsample(2)) -> x11: node(64)
  x21 = (x20, x30 -> upsample(2)) -> x21: node(128)
  x02 = (x00, x01, x11 -> upsample(2)) -> x02: node(32)
  x12 = (x10, x11, x21 -> upsample(2)) -> x12: node(64)
  output (x00, x01, x02, x12 -> upsample(2)) -> x03: node(32) -> head: conv(2, 1)""",
    "twice": """
  input x: [N, 8, 16, 16]
  input y: [N, 8, 16, 16]
  a, b = (x, y) -> first: mixed(8)
  c, d = (b, x) -> second: mixed(8)
  e, f = (c + a, d) -> third: mixed(8)
  output u = e - b
  output v = (f, d, y) -> concat""",
    "beside": """
  input x: [N, 8, 16, 16]
  a, b = (x, x) -> b0: mixed(8)
  c = x -> l1: cbr(8)
  output o0 = a
  output o1 = x -> l2: cbr(8)
  output o2 = c -> l3: cbr(8)
  output o3 = (b, x) -> b4: node(8)
  output o4 = (x, x) -> b5: node(8)
  output o5 = (x, x) -> b6: node(8)""",
}
CROSSING = {name: f"{BLOCKS}arch {name} {{{body}\n}}\n" for name, body in BODIES.items()}


KINDS = ["conv(8, 3)", "cbr(8)", "+", "-", "*", "node(8)", "up_add(8)", "mixed(8)", "mixed(8)"]


@st.composite
def dags(draw: st.DrawFn) -> str:
    """A spec whose layers and blocks take what any before them gave, all of one shape."""
    values, lines = ["x", "y"][: draw(st.integers(1, 2))], list[str]()
    lines += [f"input {name}: [N, 8, 16, 16]" for name in values]
    free = set(values)
    for number in range(draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(KINDS))
        recent = st.sampled_from(values[-6:]) if draw(st.booleans()) else st.sampled_from(values)
        a, b = draw(recent), draw(recent)
        made = [f"h{number}"]
        if kind in ("+", "-", "*"):
            lines.append(f"h{number} = {a} {kind} {b}")
        elif kind in ("mixed(8)", "node(8)", "up_add(8)"):
            taken = f"({a}, {b})"
            made = [f"h{number}", f"g{number}"] if kind == "mixed(8)" else made
            taken = f"({a} -> conv(8, 3, 2), {b})" if kind == "up_add(8)" else taken
            lines.append(f"{', '.join(made)} = {taken} -> b{number}: {kind}")
        else:
            b = a
            lines.append(f"h{number} = {a} -> l{number}: {kind}")
        free -= {a, b}
        free |= set(made)
        values += made
    lines += [f"output o{number} = {name}" for number, name in enumerate(name for name in values if name in free)]
    return f"{BLOCKS}arch net {{\n  " + "\n  ".join(lines) + "\n}\n"
