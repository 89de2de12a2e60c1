// The strips in which arrows turn; the rules are those of channels.py, where they are explained.

class Flow {
  constructor(model, arrows) {
    Object.assign(this, { net: [], shifts: [], at: new Map(), wide: new Map(), bends: new Map(), tips: new Map() });
    const pairs = new Map(), most = new Map(), twins = [];
    for (const { source, target } of arrows) {
      const pair = `${source} ${target}`, twin = pairs.get(pair) ?? 0;
      twins.push(twin);
      this.net.push(`${source} ${twin}`);
      pairs.set(pair, twin + 1);
      most.set(source, Math.max(most.get(source) ?? 1, pairs.get(pair)));
    }
    arrows.forEach(({ source }, edge) => {
      this.shifts.push((twins[edge] - (most.get(source) - 1) / 2) * model.measure.twin);
    });
    this.stems = stemLabels(arrows);
    const found = (has) => new Set([...arrows.keys()].filter((edge) => has(arrows[edge], edge)));
    this.told = found(({ told }, edge) => told && !this.stems.has(edge));
    this.signed = new Map(arrows.flatMap(({ sign }, edge) => (sign ? [[edge, model.turned ? model.measure.signs[sign] : 0]] : [])));
    this.widths = model.turned ? arrows.map((arrow) => (arrow.told ? widthOf(model, arrow) : 0)) : null;
  }

  along(edges, high) {
    if (!this.widths || !edges.length) return edges.length ? high : 0;
    return Math.max(...edges.map((edge) => this.widths[edge]));
  }

  leave(edges, x, half, wide) {
    const most = Math.max(0, ...[...edges].map((edge) => Math.abs(this.shifts[edge])));
    for (const edge of edges) {
      this.at.set(edge, x + (most ? Math.min(1, half / most) : 1) * this.shifts[edge]);
      if (wide) this.wide.set(edge, wide);
    }
  }
}

// Of the arrows whose shape is told those that have it below their source: the first of several that tell one shape.
function stemLabels(arrows) {
  const first = new Map(), mixed = new Set();
  arrows.forEach(({ source, told, shape }, edge) => {
    if (!told) return;
    if (!first.has(source)) first.set(source, edge);
    else if (arrows[first.get(source)].shape !== shape) mixed.add(source);
  });
  return new Set([...first].filter(([source]) => !mixed.has(source)).map(([, edge]) => edge));
}

class Channel {
  // `aims` are the arrows that come in, in order, with where each would go on.
  constructor(flow, aims, m) {
    Object.assign(this, { flow, m, y: 0, h: 0, top: 0, isCrossed: false, at: new Map(), to: new Map() });
    for (const [edge, aim] of aims) {
      const wide = flow.wide.get(edge);
      flow.wide.delete(edge);
      this.at.set(edge, wide && wide[0] <= aim && aim <= wide[1] ? aim : flow.at.get(edge));
    }
    this.lines = new Map([...this.at].map(([edge, x]) => [`${x} ${flow.net[edge]}`, [x, flow.net[edge]]]));
  }

  put(edge, x, low, high, step = this.m.apart) {
    const net = this.flow.net[edge], here = this.at.get(edge), { same, clear: far } = this.m;
    const toward = here > x - same ? 1 : -1;
    let tries = [x];
    for (let n = 1; n < 9; n += 1) tries.push(x + toward * n * step, x - toward * n * step);
    tries = tries.filter((place) => low <= place && place <= high);
    if (!tries.length) tries = [within(x, low, high)];
    const lines = [...this.lines.values()].filter(([, other]) => other !== net);
    let best = tries[0], most = -1;
    for (const place of tries) {
      const room = Math.min(far, ...lines.map(([at]) => Math.abs(place - at)));
      if (room > most) [best, most] = [place, room];
      if (most >= far) break;
    }
    if (Math.abs(best - here) < same) best = here;
    this.to.set(edge, best);
    this.lines.set(`${best} ${net}`, [best, net]);
  }

  close() {
    const { flow, m } = this, wires = new Map();
    for (const [edge, end] of this.to) {
      const start = this.at.get(edge), bend = { strip: this, start, end, level: 0 }, key = `${flow.net[edge]} ${start}`;
      flow.bends.set(edge, [...(flow.bends.get(edge) ?? []), bend]);
      flow.at.set(edge, end);
      if (end === start) continue;
      if (!wires.has(key)) wires.set(key, { start, ends: [], bends: [] });
      wires.get(key).ends.push(end);
      wires.get(key).bends.push(bend);
    }
    const found = [...wires.values()].sort((a, b) => a.start - b.start);
    for (const wire of found) {
      wire.ends = [...new Set(wire.ends)];
      wire.low = Math.min(wire.start, ...wire.ends);
      wire.high = Math.max(wire.start, ...wire.ends);
    }
    const count = leveled(found, m.apart), edges = [...this.to.keys()];
    for (const { level, bends } of found) for (const bend of bends) bend.level = level;
    const stem = edges.filter((edge) => flow.stems.has(edge) && flow.bends.get(edge).length === 1);
    const told = edges.filter((edge) => flow.told.has(edge) && flow.tips.has(edge));
    this.top = m.above + flow.along(stem, m.told);
    const signs = edges.filter((edge) => flow.signed.has(edge) && flow.tips.has(edge)).map((edge) => flow.signed.get(edge));
    this.h = Math.max(m.gap + flow.along([...stem, ...told], m.label), ...signs.map((width) => m.before + width));
    this.isCrossed = count > 0;
    if (!count) return;
    const rooms = signs.map((width) => Math.max(m.signed, m.before + width - m.below));
    const below = m.below + Math.max(flow.along(told, m.told), ...rooms);
    this.h = Math.max(this.h, this.top + (count - 1) * m.slot + below);
  }

  height(level) { return this.y + this.top + level * this.m.slot; }
}

const within = (x, low, high) => Math.min(Math.max(x, low), high);

// Gives lines across a strip their levels, and returns how many there are.
function leveled(wires, apart) {
  const inside = (x, { low, high }) => (low < x && x < high ? 1 : 0);
  const crossings = (one, other) => one.ends.filter((end) => inside(end, other)).length + inside(other.start, one);
  const worse = wires.map((one) => wires.map((other) => crossings(one, other) - crossings(other, one)));
  const left = new Set(wires.keys()), done = [], costs = worse.map((row) => row.reduce((a, b) => a + b, 0));
  while (left.size) {
    let best = -1;
    for (const n of left) if (best < 0 || costs[n] < costs[best]) best = n;
    left.delete(best);
    for (const other of left) costs[other] -= worse[other][best];
    const wire = wires[best];
    const above = done.filter(({ low, high }) => low < wire.high + apart && high > wire.low - apart);
    wire.level = Math.max(0, ...above.map(({ level }) => level + 1));
    done.push(wire);
  }
  return Math.max(0, ...wires.map(({ level }) => level + 1));
}
