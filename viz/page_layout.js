// The layout of a page: which arrows there are, and a place for every box and frame.
//
// The rules are those of drafts.py, cells.py and routes.py, where they are explained. Whenever something folds, this
// measures the cells that page_data.py has composed anew, and puts them in place.
// An item is a box by its number, or a folded group as -1 minus its number.

const OUTSIDE = -1;

class Model {
  constructor(data) {
    Object.assign(this, data);
    this.groups.forEach((group) => { group.level = group.parent < 0 ? 0 : this.groups[group.parent].level + 1; });
  }

  part(item) { return item < 0 ? this.groups[-1 - item] : this.boxes[item]; }

  // The groups around an item, innermost first.
  around(item) {
    const found = [];
    for (let group = this.part(item).parent; group >= 0; group = this.groups[group].parent) found.push(group);
    return found;
  }

  // For each box the item that shows it: itself, or the outermost folded group around it.
  shown(open) {
    const folded = [];
    this.groups.forEach((group, number) => {
      const above = group.parent < 0 ? OUTSIDE : folded[group.parent];
      folded.push(above !== OUTSIDE ? above : open[number] ? OUTSIDE : number);
    });
    const of = (group) => (group < 0 ? OUTSIDE : folded[group]);
    return {
      boxes: this.boxes.map((box, number) => (of(box.parent) === OUTSIDE ? number : -1 - of(box.parent))),
      groups: this.groups.map((_, number) => folded[number] === OUTSIDE),
    };
  }
}

// --- arrows ------------------------------------------------------------------------------------------------------

// The arrows between what is shown, and for each arrow between boxes the one that stands for it, or -1.
function arrowsOf(model, shown) {
  const arrows = [], places = [], known = new Map();
  for (const [from, to, value, sign, training] of model.edges) {
    const source = shown[from], target = shown[to];
    if (source === target) { places.push(-1); continue; }
    const tensor = source >= 0 && model.boxes[source].role === 'rest' ? 'rest' : value;
    const key = `${source} ${target} ${tensor}`;
    if (!known.has(key)) {
      known.set(key, arrows.length);
      const [shape, drawn] = model.values[value];
      arrows.push({ key, source, target, value, shape, drawn, training, sign: target < 0 ? '' : sign, told: false });
    }
    places.push(known.get(key));
  }
  tell(model, shown, arrows);
  return { arrows, places };
}

function tell(model, shown, arrows) {
  const items = [...new Set(shown)], into = new Map(items.map((item) => [item, []]));
  for (const arrow of arrows) into.get(arrow.target).push(arrow);
  const bits = new Map(items.map((item, number) => [item, 1n << BigInt(number)]));
  const before = new Map(), known = new Map(), told = new Set();
  for (const item of items) {
    const part = model.part(item), mine = into.get(item), sources = new Set(mine.map((arrow) => arrow.source));
    let reach = 0n;
    for (const source of sources) reach |= (before.get(source) ?? 0n) | bits.get(source);
    before.set(item, reach);
    const last = new Map(mine.map((arrow) => [`${arrow.source} ${arrow.shape}`, arrow]));
    for (const arrow of mine) {
      const { source, shape, value } = arrow;
      const past = [...sources].some((other) => other !== source && ((before.get(other) ?? 0n) & bits.get(source)));
      const silent = past || arrow.drawn || told.has(value) || part.mute;
      const tells = part.role === 'output' || (shape !== known.get(source) && !silent);
      if (tells) told.add(value);
      if (!known.has(item) || known.get(source) === shape) {
        const seen = tells || told.has(value) ? shape : known.get(source);
        if (seen !== undefined) known.set(item, seen);
      }
      arrow.past = past;
      arrow.told = tells && last.get(`${source} ${shape}`) === arrow;
    }
  }
}

// --- cells -------------------------------------------------------------------------------------------------------

class Leaf {
  constructor(item, { w, h }, text = 0) {
    Object.assign(this, { item, wide: w, h, axis: w / 2, w: Math.max(w, w / 2 + text), heads: [item] });
  }

  place(x, y, plan) { plan.spots.set(this.item, { x, y, w: this.wide, h: this.h }); }
}

class Frame {
  constructor(number, inner, [width, height], m) {
    this.number = number;
    this.inner = inner;
    this.left = Math.max(m.pad, width + m.pad - inner.axis);
    this.top = height + 4;
    this.w = this.left + inner.w + m.pad;
    this.h = this.top + inner.h + m.pad;
    this.axis = this.left + inner.axis;
    this.heads = inner.heads;
  }

  place(x, y, plan) {
    plan.frames.set(this.number, { x, y, w: this.w, h: this.h });
    this.inner.place(x + this.left, y + this.top, plan);
  }
}

class Column {
  constructor(rows, told, m) {
    this.rows = rows;
    this.axis = Math.max(0, ...rows.map((row) => row.axis));
    this.w = this.axis + Math.max(0, ...rows.map((row) => row.w - row.axis));
    this.heads = rows.length ? rows[0].heads : [];
    this.tops = [];
    let y = 0;
    rows.forEach((row, number) => {
      if (number) y += m.gap + (row.heads.some((head) => told.has(head)) ? m.label : 0);
      this.tops.push(y);
      y += row.h;
    });
    this.h = y;
  }

  place(x, y, plan) {
    this.rows.forEach((row, number) => row.place(x + this.axis - row.axis, y + this.tops[number], plan));
  }
}

class Beside {
  constructor(columns, lanes, bar, trunk, tiers, m) {
    Object.assign(this, { columns, lanes, tiers, m });
    const tallest = (found) => Math.max(...found.map((column) => column.h)), count = columns.length;
    this.above = count > 1 ? m.fan : lanes.length ? 5 : 0;
    this.inner = tallest(columns);
    this.lower = tiers ? tallest(columns.filter((_, n) => n % 2 === 0)) + m.gap : 0;
    this.lefts = tiers ? this.inTiers() : this.inLine();
    this.axis = trunk ? columns[0].axis : (columns[0].axis + this.lefts[count - 1] + columns[count - 1].axis) / 2;
    this.side = Math.max(...columns.map((column, n) => this.lefts[n] + column.w));
    this.w = this.side + m.lane * lanes.length;
    const inner = tiers ? this.lower + tallest(columns.filter((_, n) => n % 2)) : this.inner;
    this.h = this.above + inner + (count > 1 && !bar ? m.fan : 0);
    this.heads = columns.flatMap((column) => column.heads);
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

  place(x, y, plan) {
    this.lanes.forEach((arrow, number) => plan.aside(arrow, x + this.side + this.m.lane * (number + 0.75), y));
    this.columns.forEach((column, number) => {
      const top = this.tiers ? (number % 2) * this.lower : (this.inner - column.h) / 2;
      column.place(x + this.lefts[number], y + this.above + top, plan);
    });
  }
}

class Ladder {
  constructor(cells, arrows, start, end, circles, columns, told, m) {
    Object.assign(this, { cells, arrows, end, circles, columns, m });
    this.column = new Map(columns.flatMap((path, number) => path.map((node) => [node, number])));
    const before = new Map([...cells.keys(), end].map((node) => [node, []]));
    for (const [a, b] of arrows) before.get(b).push(a);
    this.tops = new Map();
    const bottom = columns.map(() => 0), levels = [];
    for (const node of [...cells.keys()].sort((a, b) => a - b)) {
      const cell = cells.get(node), place = this.column.get(node), sources = before.get(node);
      const gap = m.gap + (cell.heads.some((head) => told.has(head)) ? m.label : 0);
      const ends = sources.filter((a) => cells.has(a)).map((a) => this.bottom(a) + gap);
      const top = Math.max(m.fan, ...ends, bottom[place] ? bottom[place] + gap : 0);
      this.tops.set(node, this.clear(node, top, sources, levels));
      levels.push(...this.levels(node, sources));
      bottom[place] = this.bottom(node);
    }
    this.axes = [];
    let x = 0;
    for (const path of columns) {
      const left = Math.max(...path.map((node) => cells.get(node).axis));
      this.axes.push(x + left);
      x += left + Math.max(...path.map((node) => cells.get(node).w - cells.get(node).axis)) + m.aside;
    }
    this.side = x - m.aside;
    this.h = Math.max(...bottom) + m.fan;
    this.lanes = new Map();
    this.w = this.side + m.lane * this.findLanes();
    this.axis = this.axes[0];
    this.heads = [...cells].filter(([node]) => before.get(node).includes(start)).flatMap(([, cell]) => cell.heads);
  }

  bottom(node) { return this.cells.has(node) ? this.tops.get(node) + this.cells.get(node).h : 0; }

  // The height for a node, below that at which an arrow to it can cross the columns between, and at which no arrow to
  // another crosses.
  clear(node, from, sources, levels) {
    const column = this.column.get(node), { h } = this.cells.get(node), { clear: far } = this.m.detour;
    let top = Math.max(from, ...this.levels(node, sources).map(([level]) => level + far));
    for (const [level, first, last] of [...levels].sort(([a], [b]) => a - b)) {
      if (first < column && column < last && top - far < level && level < top + h + far) top = level + far;
    }
    return top;
  }

  // For each arrow to a node over other columns the first height below its source at which these are free.
  levels(node, sources) {
    const found = [], { clear: far } = this.m.detour, here = this.column.get(node);
    for (const source of sources) {
      const there = this.column.get(source) ?? 0, first = Math.min(here, there), last = Math.max(here, there);
      if (last - first < 2) continue;
      let level = this.bottom(source) + far;
      for (const [other, top] of [...this.tops].sort(([a, high], [b, low]) => high - low || a - b)) {
        const column = this.column.get(other), inside = first < column && column < last;
        if (inside && top - far < level && level < this.bottom(other) + far) level = this.bottom(other) + far;
      }
      found.push([level, first, last]);
    }
    return found;
  }

  span(a, b) { return [this.bottom(a), this.tops.get(b) ?? this.h]; }

  isFree(column, [top, bottom], ends) {
    return !this.columns[column].some(
      (node) => !ends.includes(node) && this.tops.get(node) < bottom && this.bottom(node) > top,
    );
  }

  // Gives the arrows that would cross boxes their lanes, and returns how many lanes there are.
  findLanes() {
    const busy = [], length = (a, b) => this.span(a, b)[1] - this.span(a, b)[0];
    const order = [...this.arrows].sort(([a, b], [c, d]) => length(a, b) - length(c, d) || a - c || b - d);
    for (const [a, b, numbers] of order) {
      const [top, bottom] = this.span(a, b);
      const source = this.column.get(a) ?? 0, target = this.column.get(b) ?? 0;
      const late = this.circles.has(b) || b === this.end || source === target;
      if (this.isFree(late ? source : target, [top, bottom], [a, b])) continue;
      for (const number of numbers) {
        let lane = busy.findIndex((taken) => taken.every(([high, low]) => bottom <= high || top >= low));
        if (lane < 0) lane = busy.push([]) - 1;
        busy[lane].push([top, bottom]);
        this.lanes.set(number, [lane, top + 4]);
      }
    }
    return busy.length;
  }

  place(x, y, plan) {
    for (const [node, cell] of this.cells) {
      cell.place(x + this.axes[this.column.get(node)] - cell.axis, y + this.tops.get(node), plan);
    }
    for (const [arrow, [lane, top]] of this.lanes) {
      plan.aside(arrow, x + this.side + this.m.lane * (lane + 0.75), y + top);
    }
    for (const [, b, numbers] of this.arrows) {
      if (this.cells.has(b) && !this.circles.has(b)) numbers.forEach((number) => plan.early.add(number));
    }
  }
}

class Plan {
  constructor() {
    Object.assign(this, { spots: new Map(), frames: new Map(), lanes: new Map(), early: new Set() });
  }

  aside(arrow, x, y) {
    if (!this.lanes.has(arrow)) this.lanes.set(arrow, []);
    this.lanes.get(arrow).push([x, y]);
  }
}

// Where everything is, while some groups are open: the spots of items, the frames of open groups, arrows with points.
function layout(model, open) {
  const shown = model.shown(open), m = model.measure;
  const { arrows, places } = arrowsOf(model, shown.boxes);
  const room = roomOf(model, arrows), told = new Set(arrows.filter((arrow) => arrow.told).map((arrow) => arrow.target));
  const lanes = (numbers) => [...new Set(numbers.map((number) => places[number]))].filter((arrow) => arrow >= 0);
  const cell = (spec) => {
    if (typeof spec === 'number') {
      if (spec >= 0 || !open[-1 - spec]) return new Leaf(spec, model.part(spec), room.get(spec));
      return new Frame(-1 - spec, cell(model.part(spec).cell), model.part(spec).head, m);
    }
    const [kind, inner, ...rest] = spec;
    if (kind === 'column') return new Column(inner.map(cell), told, m);
    if (kind === 'beside') return new Beside(inner.map(cell), lanes(rest[0]), rest[1], rest[2], rest[3], m);
    const [arrowsIn, start, end, circles, columns] = rest;
    const cells = new Map(inner.map(([node, spec_]) => [node, cell(spec_)]));
    const led = arrowsIn.map(([a, b, numbers]) => [a, b, lanes(numbers)]);
    return new Ladder(cells, led, start, end, new Set(circles), columns, told, m);
  };
  const plan = new Plan();
  let top = 0;
  for (const box of model.floating.filter((number) => shown.boxes[number] === number)) {
    new Leaf(box, model.boxes[box]).place(0, top, plan);
    top += model.boxes[box].h + 6;
  }
  cell(model.cell).place(0, top, plan);
  stretch(model, arrows, plan);
  new Router(model, arrows, plan).run();
  placeLabels(model, arrows, plan);
  return { spots: plan.spots, frames: plan.frames, arrows, bounds: bounds(plan, arrows) };
}

function bounds(plan, arrows) {
  const labels = arrows.map(({ label }) => label).filter(Boolean);
  const spots = [...plan.spots.values(), ...plan.frames.values(), ...labels];
  const lanes = [...plan.lanes.values()].flat().map(([x]) => x + 6);
  const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  const x = -most(spots.map((spot) => -spot.x)), y = -most(spots.map((spot) => -spot.y));
  const right = most([...spots.map((spot) => spot.x + spot.w), ...lanes]);
  return { x, y, w: right - x, h: most(spots.map((spot) => spot.y + spot.h)) - y };
}
