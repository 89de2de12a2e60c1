// The cells of a layout; the rules are those of cells.py, where they are explained.

const joins = ({ face }) => face === 'circle' || face === 'bar';
const sum = (values) => values.reduce((a, b) => a + b, 0);

class Leaf {
  constructor(item, { w, h, face }, text, ins, outs, flow, m) {
    const nets = new Set([...ins].map((edge) => flow.net[edge])).size;
    Object.assign(this, { item, face, ins, outs, m, wide: false, h });
    this.across = face === 'bar' ? Math.max(w, nets * m.tight + 8) : w;
    this.axis = this.across / 2;
    this.w = Math.max(this.across, this.axis + text);
    this.first = face === 'circle' ? this.axis - 6 : Math.max(0, this.axis - m.port * (nets - 1));
    this.single = nets === 1 && face !== 'bar';
  }

  place(x, plan) {
    this.spot = { x, y: 0, w: this.across, h: this.h };
    plan.spots.set(this.item, this.spot);
    this.room = [x, x + this.across];
  }

  aim() { return middle(this.spot); }

  enter(strip) {
    const { spot, m: { reach, edge: rim } } = this;
    const edges = [...this.ins].filter((edge) => strip.at.has(edge)).map((edge) => [strip.at.get(edge), edge]);
    edges.sort(([a, one], [b, other]) => a - b || one - other);
    if (this.face === 'circle') { this.around(strip, edges); return; }
    if (this.face === 'bar') {
      const near = edges.map(([x]) => x).filter((x) => this.room[0] < x && x < this.room[1]);
      const left = Math.max(this.room[0], Math.min(spot.x, ...near.map((x) => x - reach)));
      const end = Math.min(this.room[1], Math.max(right(spot), ...near.map((x) => x + reach)));
      const [from, to] = [Math.min(left, spot.x), Math.max(end, right(spot))];
      spot.x = from;
      spot.w = to - from;
    }
    const side = Math.min(rim, spot.w / 6), low = spot.x + side, high = right(spot) - side;
    const wanted = this.face === 'bar' ? this.spread(edges, low, high) : this.ports(edges, low, high);
    const crowded = wanted.some((x, n) => n > 0 && x - wanted[n - 1] < this.m.apart);
    edges.forEach(([, edge], n) => {
      strip.put(edge, wanted[n], crowded ? wanted[n] : low, crowded ? wanted[n] : high);
      strip.flow.tips.set(edge, { inside: 0, side: 0, below: 0 });
    });
  }

  ports(edges, low, high) {
    const axis = middle(this.spot), count = edges.length, { port, near } = this.m;
    const off = edges.map(([x]) => Math.abs(x - axis)), pivot = off.indexOf(Math.min(...off));
    if (count && off[pivot] >= near) {
      const step = Math.min(port, (high - low) / Math.max(1, count - 1));
      return edges.map((_, n) => axis + (n - (count - 1) / 2) * step);
    }
    const start = count ? within(edges[pivot][0], low, high) : axis;
    const before = (start - low) / Math.max(1, pivot), after = (high - start) / Math.max(1, count - 1 - pivot);
    return edges.map((_, n) => start + (n - pivot) * Math.min(port, n < pivot ? before : after));
  }

  spread(edges, low, high) {
    const step = Math.min(this.m.tight, (high - low) / Math.max(1, edges.length - 1)), found = [];
    for (const [x] of edges) {
      found.push(Math.max(within(x, low, high), found.length ? found[found.length - 1] + step : low));
    }
    let last = high;
    for (let n = found.length - 1; n >= 0; n -= 1) {
      found[n] = Math.min(found[n], last);
      last = found[n] - step;
    }
    return found;
  }

  around(strip, edges) {
    const axis = middle(this.spot), radius = this.spot.w / 2, { apart } = this.m, { tips } = strip.flow;
    const inside = (off) => radius - Math.sqrt(Math.max(0, radius ** 2 - off ** 2)), sides = [[], []], above = [];
    for (const [x, edge] of edges) {
      const beside = Math.abs(x - axis) > radius + this.m.side && this.room[0] <= x && x <= this.room[1];
      (beside ? sides[x > axis ? 1 : 0] : above).push([x, edge]);
    }
    sides.forEach((found, side) => {
      found.sort(([a, one], [b, other]) => Math.abs(a - axis) - Math.abs(b - axis) || one - other);
      found.forEach(([x, edge], n) => {
        strip.put(edge, x, x, x);
        const below = (n - (found.length - 1) / 2) * Math.min(apart, (1.5 * radius) / found.length);
        tips.set(edge, { inside: inside(below), side: side ? 1 : -1, below });
      });
    });
    const step = Math.min(apart, (1.5 * radius) / Math.max(1, above.length));
    const straight = above.findIndex(([x]) => Math.abs(x - axis) < 0.5);
    const pivot = straight >= 0 ? straight : (above.length - 1) / 2;
    above.forEach(([, edge], n) => {
      const off = within((n - pivot) * step, -0.8 * radius, 0.8 * radius);
      strip.put(edge, axis + off, axis - 0.9 * radius, axis + 0.9 * radius, step / 2);
      tips.set(edge, { inside: inside(strip.to.get(edge) - axis), side: 0, below: 0 });
    });
  }

  route(flow) {
    const { spot, m: { edge: rim, border } } = this, isBar = this.face === 'bar';
    const x = isBar ? middle(spot) : spot.x + this.axis, wide = isBar ? [spot.x + rim, right(spot) - rim] : null;
    flow.leave(this.outs, x, spot.w / 2 - border, wide);
  }

  lower(y) { this.spot.y = y; }
}

// The arrows of a cell that are on their way, in order, with where they would go on.
const aimsOf = (cell, flow) => sortedBy([...cell.ins].filter((edge) => flow.at.has(edge)))
  .map((edge) => [edge, cell.aim(edge)]);
const sortedBy = (edges, by = (edge) => edge) => [...edges].sort((a, b) => by(a) - by(b) || a - b);

class Frame {
  constructor(number, inner, [width, height], flow, m) {
    this.nets = new Set([...inner.ins].map((edge) => flow.net[edge])).size;
    Object.assign(this, { number, inner, head: [width, height], m, ins: inner.ins, outs: inner.outs, wide: false });
    const entry = inner.wide ? inner.axis : inner.first;
    [this.before, this.least] = flow.widths ? [m.pad, height + m.pad] : [height + 4, 0];
    this.left = flow.widths ? width + 4 : Math.max(m.pad, width + m.pad - entry);
    this.w = this.left + inner.w + m.pad;
    this.axis = this.left + inner.axis;
    this.first = this.left + entry;
    this.single = inner.wide ? this.nets === 1 : inner.single;
  }

  place(x, plan) {
    this.spot = { x, y: 0, w: this.w, h: 0 };
    plan.frames.set(this.number, this.spot);
    this.inner.place(x + this.left, plan);
  }

  get free() { return this.spot.x + this.head[0] + 6; }

  aim(edge) {
    return this.inner.wide && this.nets === 1 ? this.spot.x + this.axis : Math.max(this.inner.aim(edge), this.free);
  }

  enter(strip) {
    if (!this.inner.wide) { this.inner.enter(strip); return; }
    const nets = new Map(), low = this.free, high = right(this.spot) - this.m.edge;
    for (const edge of sortedBy([...this.ins].filter((one) => strip.at.has(one)), (one) => strip.at.get(one))) {
      const net = strip.flow.net[edge];
      nets.set(net, [...(nets.get(net) ?? []), edge]);
    }
    for (const edges of nets.values()) {
      const found = edges.map((edge) => this.aim(edge));
      const x = Math.min(Math.max(strip.at.get(edges[0]), Math.min(...found)), Math.max(...found));
      strip.put(edges[0], within(x, low, high), low, high);
      for (const edge of edges) strip.to.set(edge, strip.to.get(edges[0]));
    }
  }

  route(flow) {
    const aims = this.inner.wide ? aimsOf(this.inner, flow) : [];
    this.gate = aims.length ? new Channel(flow, aims, this.m) : null;
    if (this.gate) {
      this.inner.enter(this.gate);
      this.gate.close();
    }
    this.inner.route(flow);
    this.h = Math.max(this.before + (this.gate ? this.gate.h : 0) + this.inner.h + this.m.pad, this.least);
    this.spot.h = this.h;
  }

  lower(from) {
    let y = from + this.before;
    this.spot.y = from;
    if (this.gate) {
      this.gate.y = y;
      y += this.gate.h;
    }
    this.inner.lower(y);
  }
}

class Column {
  constructor(rows, m) {
    Object.assign(this, { rows, m });
    this.axis = Math.max(0, ...rows.map((row) => row.axis));
    this.w = this.axis + Math.max(0, ...rows.map((row) => row.w - row.axis));
    const [top] = rows;
    this.first = rows.length ? this.axis - top.axis + top.first : 0;
    this.ins = rows.length ? top.ins : new Set();
    this.outs = rows.length ? rows[rows.length - 1].outs : new Set();
    this.wide = rows.length ? top.wide : false;
    this.single = rows.length ? top.single : false;
  }

  place(x, plan) {
    this.rows.forEach((row, n) => {
      row.place(x + this.axis - row.axis, plan);
      if (n && joins(row)) row.room = [x - 4, x + this.w + 4];
    });
  }

  aim(edge) { return this.rows[0].aim(edge); }

  enter(strip) { this.rows[0].enter(strip); }

  route(flow) {
    this.strips = [];
    this.rows.forEach((row, n) => {
      if (n) {
        const strip = new Channel(flow, aimsOf(row, flow), this.m);
        row.enter(strip);
        strip.close();
        this.strips.push(strip);
      }
      row.route(flow);
    });
    this.h = sum(this.rows.map(({ h }) => h)) + sum(this.strips.map(({ h }) => h));
  }

  lower(from) {
    let y = from;
    this.rows.forEach((row, n) => {
      row.lower(y);
      y += row.h;
      if (n < this.strips.length) {
        this.strips[n].y = y;
        y += this.strips[n].h;
      }
    });
  }
}

class Lanes {
  constructor(edges, flow, m) {
    this.edges = sortedBy(new Set(edges));
    this.m = m;
    const nets = new Set(this.edges.map((edge) => flow.net[edge])).size;
    this.w = nets ? m.lane + m.step * (nets - 1) : 0;
  }

  aim() { return this.left + this.w / 2; }

  enter(strip) {
    const first = new Map(), { lane, step, apart } = this.m, coming = this.edges.filter((edge) => strip.at.has(edge));
    for (const edge of [...coming].reverse()) first.set(strip.flow.net[edge], strip.at.get(edge));
    const order = [...first].sort(([, a], [, b]) => a - b).map(([net]) => net);
    for (const edge of coming) {
      const x = this.left + lane / 2 + step * order.indexOf(strip.flow.net[edge]);
      strip.put(edge, x, x - apart, x + apart);
    }
  }
}

class Beside {
  constructor(columns, lanes, trunk, last, m) {
    Object.assign(this, { columns, lanes, m, tiers: last && columns.every(({ single }, n) => n % 2 === 0 || single) });
    const count = columns.length;
    this.lefts = this.tiers ? this.inTiers() : this.inLine();
    this.axis = trunk ? columns[0].axis : (columns[0].axis + this.lefts[count - 1] + columns[count - 1].axis) / 2;
    this.side = Math.max(...columns.map((column, n) => this.lefts[n] + column.w));
    this.w = this.side + lanes.w;
    this.first = columns[0].first;
    this.ins = new Set([...lanes.edges, ...columns.flatMap(({ ins }) => [...ins])]);
    this.outs = new Set([...lanes.edges, ...columns.flatMap(({ outs }) => [...outs])]);
    this.wide = count > 1 || lanes.edges.length > 0;
  }

  inLine() {
    let x = 0;
    return this.columns.map(({ w }) => { x += w + this.m.aside; return x - w - this.m.aside; });
  }

  // The left sides: those of the upper tier as near as those of the lower, on the gaps between, allow.
  inTiers() {
    const lefts = [0], { columns, m: { aside } } = this;
    let upper = columns[0].w, lower = 0;
    for (let n = 1; n < columns.length; n += 2) {
      const { axis, w } = columns[n], gap = Math.max(upper + aside / 2, lower + axis);
      lefts.push(gap - axis);
      lower = gap - axis + w + aside;
      if (n + 1 < columns.length) {
        lefts.push(2 * gap - upper);
        upper = lefts[n + 1] + columns[n + 1].w;
      }
    }
    return lefts;
  }

  place(x, plan) {
    this.columns.forEach((column, n) => column.place(x + this.lefts[n], plan));
    this.lanes.left = x + this.side;
  }

  aim(edge) { return (this.columns.find(({ ins }) => ins.has(edge)) ?? this.lanes).aim(edge); }

  enter(strip) {
    this.columns.forEach((column, n) => {
      column.enter(strip);
      if (this.tiers && n % 2) this.keepTo(this.lanes.left - this.side + this.lefts[n] + column.axis, column.ins, strip);
    });
    this.lanes.enter(strip);
  }

  // Lets the arrows into the lower tier run between the boxes of the upper one.
  keepTo(gap, edges, strip) {
    const { apart } = this.m;
    for (const edge of sortedBy([...edges].filter((one) => strip.to.has(one)))) {
      if (Math.abs(strip.to.get(edge) - gap) > apart) strip.put(edge, gap, gap - apart, gap + apart);
    }
  }

  route(flow) {
    for (const column of this.columns) column.route(flow);
    const tallest = (columns) => Math.max(...columns.map(({ h }) => h));
    this.inner = tallest(this.tiers ? this.columns.filter((_, n) => n % 2 === 0) : this.columns);
    this.low = this.inner + this.m.gap;
    this.h = this.tiers ? this.low + tallest(this.columns.filter((_, n) => n % 2)) : this.inner;
  }

  lower(y) {
    this.columns.forEach((column, n) => {
      column.lower(y + (this.tiers ? (n % 2) * this.low : (this.inner - column.h) / 2));
    });
  }
}
