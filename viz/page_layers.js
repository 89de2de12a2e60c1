// Boxes in rows, which arrows cross in lanes; the rules are those of layers.py, where they are explained.

class Layers {
  // `order` is what ranks.py says: rows, blocks, links, trunk.
  constructor(cells, arrows, start, end, order, flow, m) {
    const [rows, blocks, links, trunk] = order;
    Object.assign(this, { cells, rows, blocks, links, arrows, m, wide: true });
    this.row = new Map(rows.flatMap((row, n) => row.filter((entry) => entry >= 0).map((entry) => [entry, n])));
    this.row.set(start, -1).set(end, rows.length);
    const numbers = (found) => new Set(found.flatMap(([, , edges]) => edges));
    this.ins = numbers(arrows.filter(([a]) => a === start));
    this.outs = numbers(arrows.filter(([, b]) => b === end));
    this.lanes = new Map();
    rows.forEach((row, n) => row.filter((entry) => entry < 0).forEach((entry) => {
      const passing = arrows.filter(([a, b]) => a === -1 - entry && this.row.get(b) > n);
      this.lanes.set(`${n} ${entry}`, new Lanes(numbers(passing), flow, m));
    }));
    this.block = new Map(blocks.flatMap((block, n) => block.map((place) => [place.join(' '), n])));
    this.across = this.columns();
    const places = blocks.flatMap((block, n) => block.map((place) => [n, this.sides(...place)]));
    this.w = Math.max(...places.map(([n, [, after]]) => this.across[n] + after));
    this.axis = this.across[trunk];
    this.first = Math.min(...rows[0].map((entry) => this.across[this.block.get(`0 ${entry}`)] - this.sides(0, entry)[0]));
  }

  // --- where the columns are ---

  sides(row, entry) {
    if (entry < 0) return Array(2).fill(this.lanes.get(`${row} ${entry}`).w / 2);
    const { axis, w } = this.cells.get(entry);
    return [axis, w - axis];
  }

  pairs() {
    const { beside, aside } = this.m;
    return this.rows.flatMap((row, n) => row.slice(1).map((other, at) => {
      const one = row[at], lanes = (one < 0) + (other < 0), gap = [aside, beside, 0][lanes];
      const far = this.sides(n, one)[1] + gap + this.sides(n, other)[0];
      return [this.block.get(`${n} ${one}`), this.block.get(`${n} ${other}`), far];
    }));
  }

  columns() {
    const { blocks } = this, before = blocks.map(() => new Map()), after = blocks.map(() => new Map());
    for (const [left, next, far] of this.pairs()) {
      const most = Math.max(far, before[next].get(left) ?? 0);
      before[next].set(left, most);
      after[left].set(next, most);
    }
    const least = blocks.map((block) => Math.max(...block.map((place) => this.sides(...place)[0]))), across = [];
    const lowest = (n) => Math.max(least[n], ...[...before[n]].map(([left, far]) => across[left] + far));
    blocks.forEach((_, n) => across.push(lowest(n)));
    const links = blocks.map(() => []);
    for (const [one, other] of this.links) {
      const [a, b] = [one, other].map((place) => this.block.get(place.join(' ')));
      if (a !== b) {
        links[a].push(b);
        links[b].push(a);
      }
    }
    const order = [...blocks.keys()];
    for (let n = 0; n < this.m.sweeps; n += 1) {
      for (const at of [...[...order].reverse(), ...order]) {
        if (!links[at].length) continue;
        const low = lowest(at), high = after[at].size
          ? Math.min(...[...after[at]].map(([next, far]) => across[next] - far)) : across[at];
        across[at] = within(sum(links[at].map((other) => across[other])) / links[at].length, low, Math.max(high, low));
      }
    }
    return across;
  }

  // --- its place ---

  place(x, plan) {
    this.x = x;
    this.blocks.forEach((block, n) => block.forEach(([row, entry]) => {
      const axis = x + this.across[n], lanes = this.lanes.get(`${row} ${entry}`), cell = this.cells.get(entry);
      if (entry < 0) lanes.left = axis - lanes.w / 2; else cell.place(axis - cell.axis, plan);
    }));
    this.rows.forEach((row, n) => row.forEach((entry, at) => {
      const cell = this.cells.get(entry);
      if (entry < 0 || !joins(cell)) return;
      const low = at ? this.border(n, row[at - 1], cell, true) : x - 4;
      cell.room = [low, at + 1 < row.length ? this.border(n, row[at + 1], cell, false) : x + this.w + 4];
    }));
  }

  border(row, entry, cell, after) {
    if (entry < 0) {
      const { left, w } = this.lanes.get(`${row} ${entry}`);
      return after ? left + w : left;
    }
    const other = this.cells.get(entry), axis = this.x + this.across[this.block.get(`${row} ${entry}`)];
    if (joins(other)) return (middle(cell.spot) + axis) / 2 + (after ? 3 : -3);
    return axis - other.axis + (after ? other.w + 4 : -4);
  }

  aim(edge) { return this.aimIn(0, edge); }

  aimIn(row, edge) {
    for (const entry of this.rows[row]) {
      const lanes = this.lanes.get(`${row} ${entry}`), cell = this.cells.get(entry);
      if (entry < 0 ? lanes.edges.includes(edge) : cell.ins.has(edge)) return (cell ?? lanes).aim(edge);
    }
    return this.x;
  }

  enter(strip) { this.enterRow(0, strip); }

  enterRow(row, strip) {
    for (const entry of this.rows[row]) (this.cells.get(entry) ?? this.lanes.get(`${row} ${entry}`)).enter(strip);
  }

  route(flow) {
    this.strips = [];
    this.rows.forEach((row, n) => {
      if (n) {
        const coming = row.flatMap((entry) => [...(this.cells.get(entry)?.ins ?? this.lanes.get(`${n} ${entry}`).edges)]);
        const edges = sortedBy(new Set(coming.filter((edge) => flow.at.has(edge))));
        const strip = new Channel(flow, edges.map((edge) => [edge, this.aimIn(n, edge)]), this.m);
        this.enterRow(n, strip);
        strip.close();
        this.strips.push(strip);
      }
      for (const entry of row) this.cells.get(entry)?.route(flow);
    });
    this.heights = this.rows.map((row) => Math.max(0, ...row.map((entry) => this.cells.get(entry)?.h ?? 0)));
    this.h = sum(this.heights) + sum(this.strips.map(({ h }) => h));
  }

  lower(from) {
    let y = from;
    this.rows.forEach((row, n) => {
      for (const entry of row) {
        const cell = this.cells.get(entry);
        if (cell) cell.lower(y + (this.heights[n] - cell.h) / 2);
      }
      y += this.heights[n];
      if (n < this.strips.length) {
        this.strips[n].y = y;
        y += this.strips[n].h;
      }
    });
  }
}
