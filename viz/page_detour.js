// The way of an arrow around boxes, where the usual one would lead through some; the rules are those of detour.py.

// Whether a line runs through a box, so far `within` its border; or by it, where that is negative.
function crosses(points, boxes, within = 0.5) {
  for (let n = 1; n < points.length; n += 1) {
    const [a, b] = [points[n - 1], points[n]];
    const [west, east] = a[0] < b[0] ? [a[0], b[0]] : [b[0], a[0]];
    const [high, low] = a[1] < b[1] ? [a[1], b[1]] : [b[1], a[1]];
    for (const box of boxes) {
      const across = west < right(box) - within && east > box.x + within;
      if (across && high < bottom(box) - within && low > box.y + within) return true;
    }
  }
  return false;
}

function detour(source, target, fromSide, boxes, { clear, corner, most, next }) {
  const near = boxes.filter((box) => bottom(box) > bottom(source) && box.y < bottom(target));
  if (near.length > most || bottom(source) > target.y) return null;
  const start = [middle(source), bottom(source)], ends = [[middle(target), target.y]];
  if (fromSide) ends.push([target.x, centre(target)], [right(target), centre(target)]);
  const every = [...near, target];
  const lines = (values) => [...new Set(values)].sort((a, b) => a - b);
  const sides = every.flatMap((box) => [box.x - clear, right(box) + clear]);
  const edges = every.flatMap((box) => [box.y - clear, bottom(box) + clear]);
  const xs = lines([start[0], ...ends.map(([x]) => x), ...sides]);
  const ys = lines([start[1], ...ends.map(([, y]) => y), ...edges]);
  const rows = ys.filter((y) => start[1] <= y && y <= centre(target));
  const kept = near.map(({ x, y, w, h }) => ({ x: x - next, y: y - next, w: w + 2 * next, h: h + 2 * next }));
  return shortest(start, ends, xs, rows, [...kept, source, target], corner);
}

// Dijkstra's algorithm over places and the direction in which they are reached, never up and never back.
function shortest(start, ends, xs, ys, boxes, corner) {
  const walls = stops(xs, boxes.map((box) => [box.x, right(box), box.y, bottom(box)]));
  const floors = stops(ys, boxes.map((box) => [box.y, bottom(box), box.x, right(box)]));
  const key = ([x, y], heading) => `${x} ${y} ${heading}`;
  const best = new Map([[key(start, 'down'), 0]]), came = new Map(), queue = new Queue();
  queue.push([0, ...start, 'down', xs.indexOf(start[0]), ys.indexOf(start[1])]);
  while (queue.size) {
    const [length, x, y, heading, column, row] = queue.pop(), here = key([x, y], heading);
    if (length > best.get(here)) continue;
    const end = ends.findIndex((place) => place[0] === x && place[1] === y);
    if (end >= 0 && (heading === 'down') === (end === 0)) return back(came, here, [x, y]);
    const steps = [];
    if (row + 1 < ys.length) steps.push(['down', column, row + 1]);
    if (column + 1 < xs.length && heading !== 'left') steps.push(['right', column + 1, row]);
    if (column > 0 && heading !== 'right') steps.push(['left', column - 1, row]);
    for (const [direction, c, r] of steps) {
      const after = [xs[c], ys[r]];
      const [found, from, to] = direction === 'down' ? [walls.get(x), y, after[1]] : [floors.get(y), x, after[0]];
      if (found.some(([begin, end]) => Math.min(from, to) < end && Math.max(from, to) > begin)) continue;
      const step = Math.abs(after[0] - x) + Math.abs(after[1] - y) + (direction === heading ? 0 : corner);
      const far = Math.round(1e6 * (length + step)) / 1e6; // So that ways of one length are equal.
      const there = key(after, direction);
      if (far >= (best.get(there) ?? Infinity)) continue;
      best.set(there, far);
      came.set(there, [here, [x, y]]);
      queue.push([far, ...after, direction, c, r]);
    }
  }
  return null;
}

// For each line of a grid where boxes, given across it and along it, stop what runs along it.
function stops(lines, boxes) {
  return new Map(lines.map((line) => {
    const found = boxes.filter(([near, far]) => near + 0.5 < line && line < far - 0.5);
    return [line, found.map(([, , begin, end]) => [begin + 0.5, end - 0.5])];
  }));
}

function back(came, end, place) {
  const points = [place];
  for (let step = came.get(end); step; step = came.get(step[0])) points.push(step[1]);
  return points.reverse();
}

// A heap of lists, ordered by their first entries.
class Queue {
  constructor() { this.heap = []; }

  get size() { return this.heap.length; }

  static before(a, b) {
    for (let n = 0; n < 4; n += 1) if (a[n] !== b[n]) return a[n] < b[n];
    return false;
  }

  push(entry) {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at) {
      const above = (at - 1) >> 1;
      if (!Queue.before(heap[at], heap[above])) return;
      [heap[at], heap[above]] = [heap[above], heap[at]];
      at = above;
    }
  }

  pop() {
    const { heap } = this, first = heap[0], last = heap.pop();
    if (!heap.length) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2]) {
        if (below < heap.length && Queue.before(heap[below], heap[least])) least = below;
      }
      if (least === at) return first;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  }
}
