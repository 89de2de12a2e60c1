// Where the shapes along arrows stand; the rules are those of labels.py.

const meets = (a, b) => a.x < right(b) && b.x < right(a) && a.y < bottom(b) && b.y < bottom(a);
const clear = (spot, spots) => !spots.some((other) => meets(spot, other));

// The width of the text along an arrow.
const widthOf = (model, arrow) => model.shapes[arrow.shape][1];

// For each item the room to the right of its axis that texts along its arrows take.
function roomOf(model, arrows, flow) {
  const room = new Map();
  if (flow.widths) return room;
  arrows.forEach((arrow, edge) => {
    if (!arrow.told) return;
    const below = flow.stems.has(edge) || model.part(arrow.target).face === 'bar';
    const item = below ? arrow.source : arrow.target;
    room.set(item, Math.max(room.get(item) ?? 0, 2 * model.measure.away + widthOf(model, arrow)));
  });
  return room;
}

// Gives the arrows that have a sign its `mark`, and those that tell a shape the spot of its text as `label`, which was
// that where it usually stands. A sign may stand on a line, a shape is left out where all spots lie on one.
function placeLabels(model, arrows, plan) {
  const { signs, sign: tall } = model.measure, frames = [...plan.frames];
  const taken = [...plan.spots.values()], routed = arrows.filter((arrow) => arrow.points);
  for (const [group, { x, y }] of frames) {
    const [w, h] = model.groups[group].head;
    taken.push({ x, y, w, h });
  }
  const lines = routed.flatMap(({ points }) => points.slice(1).map(([endX, endY], n) => {
    const [x, y] = points[n];
    return { x: Math.min(x, endX), y: Math.min(y, endY), w: Math.abs(x - endX), h: Math.abs(endY - y) };
  }));
  for (const [, { x, y, w, h }] of frames) lines.push({ x, y, w, h: 0 }, { x, y: y + h, w, h: 0 });
  const freeOf = (spots, onLines) => {
    let crossed = null;
    for (const spot of spots) {
      if (!clear(spot, taken)) continue;
      if (clear(spot, lines)) return spot;
      if (onLines) crossed ??= spot;
    }
    return crossed;
  };
  for (const arrow of routed.filter(({ sign }) => sign)) {
    const { points } = arrow, w = signs[arrow.sign];
    arrow.mark = freeOf([...atTip(...points.slice(-2), w, tall), ...alongside(points, w, { ...model.measure, high: tall })], true);
    if (arrow.mark) taken.push(arrow.mark); else arrow.sign = '';
  }
  for (const arrow of routed) {
    if (!arrow.label) continue;
    arrow.label = freeOf([arrow.label, ...alongside(arrow.points, arrow.label.w, model.measure)], false);
    if (arrow.label) taken.push(arrow.label);
  }
}

// The spots for a sign at the tip of an arrow.
function atTip(before, [tipX, tipY], w, h) {
  return [0, 9, 18].flatMap((away) => {
    const y = before[1] < tipY ? tipY - 3.5 - h - away : tipY + 3.5 + away;
    if (before[0] === tipX) return [tipX + 3, tipX - 3 - w].map((x) => ({ x, y, w, h }));
    const x = tipX < before[0] ? tipX + 6 + away : tipX - 6 - away - w;
    return [tipY - h - 0.5, tipY + 0.5].map((at) => ({ x, y: at, w, h }));
  });
}

// The spots along a way, those near its end first.
function alongside(points, w, { away, over, high: h, try: step, tries }) {
  const spots = [];
  for (let n = points.length - 1; n > 0; n -= 1) {
    const [[x, top], [end, low]] = [points[n - 1], points[n]];
    if (x === end) {
      const first = Math.min(top, low) + 2, last = Math.max(top, low) - 2 - h, heights = [];
      for (let y = first; y <= last; y += step) heights.push(y);
      const far = (y) => Math.abs(y - (first + last) / 2);
      const skipped = Math.max(0, Math.floor((heights.length - tries) / 2));
      for (const y of heights.slice(skipped, skipped + tries).sort((a, b) => far(a) - far(b))) {
        spots.push({ x: x + away, y, w, h }, { x: x - away - w, y, w, h });
      }
    } else if (Math.abs(end - x) >= w + 2 * away) {
      const from = Math.min(x, end) + away, to = Math.max(x, end) - away - w;
      for (const at of [(from + to) / 2, from, to]) {
        spots.push({ x: at, y: top - over - h, w, h }, { x: at, y: top + over, w, h });
      }
    }
  }
  return spots;
}
