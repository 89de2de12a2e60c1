// The layout of a page: which arrows there are, and a place for every box and frame.
//
// The rules are those of drafts.py and routes.py, where they are explained. Whenever something folds, this measures the
// cells that page_data.py has composed anew, and puts them in place.
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
  const before = new Map(), known = new Map(), told = new Map();
  let at = 0;
  for (const item of items) {
    const part = model.part(item), mine = into.get(item), sources = new Set(mine.map((arrow) => arrow.source));
    let reach = 0n, best = null;
    for (const source of sources) reach |= (before.get(source) ?? 0n) | bits.get(source);
    before.set(item, reach);
    const last = new Map(mine.map((arrow) => [`${arrow.source} ${arrow.shape}`, arrow]));
    for (const arrow of mine) {
      const { source, shape, value } = arrow;
      const past = [...sources].some((other) => other !== source && ((before.get(other) ?? 0n) & bits.get(source)));
      const silent = past || arrow.drawn || told.has(value) || part.sums >= 0;
      const tells = part.role === 'output' || (shape !== known.get(source)?.shape && !silent);
      if (tells) told.set(value, { shape, at });
      const seen = told.get(value) ?? known.get(source);
      if (part.sums >= 0) {
        const rank = [+(past && seen?.shape === shape), +(shape === part.sums), seen?.at ?? -1];
        const differs = best ? rank.findIndex((mine, n) => mine !== best[n]) : 0;
        if (differs >= 0 && (!best || rank[differs] > best[differs])) {
          best = rank;
          if (seen) known.set(item, seen); else known.delete(item);
        }
      } else if (seen && (!known.has(item) || known.get(source)?.shape === shape)) known.set(item, seen);
      at += 1;
      arrow.past = past;
      arrow.told = tells && last.get(`${source} ${shape}`) === arrow;
    }
  }
}

// --- places -------------------------------------------------------------------------------------------------------

// Where everything is, while some groups are open: the spots of items, the frames of open groups, arrows with points.
function layout(model, open) {
  const shown = model.shown(open), m = model.measure;
  const { arrows, places } = arrowsOf(model, shown.boxes);
  const flow = new Flow(model, arrows), room = roomOf(model, arrows, flow);
  const ends = (side) => {
    const found = new Map();
    arrows.forEach((arrow, edge) => {
      if (!found.has(arrow[side])) found.set(arrow[side], new Set());
      found.get(arrow[side]).add(edge);
    });
    return found;
  };
  const ins = ends('target'), outs = ends('source'), none = new Set();
  const led = (numbers) => [...new Set(numbers.map((number) => places[number]))].filter((arrow) => arrow >= 0);
  const upright = (w, h) => (model.turned ? [h, w] : [w, h]);
  const cell = (spec) => {
    if (typeof spec === 'number') {
      const part = model.part(spec), [w, h] = upright(part.w, part.h);
      if (spec < 0 && open[-1 - spec]) return new Frame(-1 - spec, cell(part.cell), upright(...part.head), flow, m);
      return new Leaf(spec, { w, h, face: part.face }, room.get(spec) ?? 0, ins.get(spec) ?? none, outs.get(spec) ?? none, flow, m);
    }
    const [kind, inner, ...rest] = spec;
    if (kind === 'column') return new Column(inner.map(cell), m);
    if (kind === 'beside') return new Beside(inner.map(cell), new Lanes(led(rest[0]), flow, m), rest[1], rest[2], m);
    const [arrowsIn, start, end, ...order] = rest, cells = new Map(inner.map(([node, one]) => [node, cell(one)]));
    return new Layers(cells, arrowsIn.map(([a, b, numbers]) => [a, b, led(numbers)]), start, end, order, flow, m);
  };
  const plan = { spots: new Map(), frames: new Map() }, whole = cell(model.cell);
  whole.place(0, plan);
  whole.route(flow);
  whole.lower(0);
  routeArrows(model, arrows, flow, plan);
  if (model.turned) turn(plan, arrows);
  placeLabels(model, arrows, plan);
  return { spots: plan.spots, frames: plan.frames, arrows, bounds: bounds(plan, arrows, m.margin, model.turned) };
}

// Puts what is across down, and what is down across.
function turn(plan, arrows) {
  for (const spot of [...plan.spots.values(), ...plan.frames.values()]) {
    [spot.x, spot.y, spot.w, spot.h] = [spot.y, spot.x, spot.h, spot.w];
  }
  for (const arrow of arrows) arrow.points &&= arrow.points.map(([x, y]) => [y, x]);
}

function bounds(plan, arrows, margin, turned) {
  const labels = arrows.map(({ label }) => label).filter(Boolean);
  const spots = [...plan.spots.values(), ...plan.frames.values(), ...labels];
  const ways = arrows.flatMap(({ points }) => points ?? []), lines = ways.map(([x]) => x);
  const rows = turned ? ways.map(([, y]) => y) : [];
  const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  const x = -most([...spots.map((spot) => -spot.x), ...lines.map((at) => margin - at)]);
  const y = -most([...spots.map((spot) => -spot.y), ...rows.map((at) => margin - at)]);
  const end = most([...spots.map(right), ...lines.map((at) => at + margin)]);
  return { x, y, w: end - x, h: most([...spots.map(bottom), ...rows.map((at) => at + margin)]) - y };
}
