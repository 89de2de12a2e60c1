// The corners of arrows, once everything has its place; the rules are those of routes.py.

const middle = (spot) => spot.x + spot.w / 2;
const centre = (spot) => spot.y + spot.h / 2;
const right = (spot) => spot.x + spot.w;
const bottom = (spot) => spot.y + spot.h;

// Gives each arrow its `points` and the place of its label.
function routeArrows(model, arrows, flow, plan) {
  arrows.forEach((arrow, edge) => {
    const bends = flow.bends.get(edge), tip = flow.tips.get(edge), x = bends[bends.length - 1].end;
    const source = plan.spots.get(arrow.source), target = plan.spots.get(arrow.target);
    arrow.points = [[bends[0].start, bottom(source)]];
    for (const { strip, start, end, level } of bends) {
      const y = strip.height(level);
      if (start !== end) arrow.points.push([start, y], [end, y]);
    }
    const y = centre(target) + tip.below;
    if (!tip.side) arrow.points.push([x, target.y + tip.inside]);
    else arrow.points.push([x, y], [tip.side > 0 ? right(target) - tip.inside : target.x + tip.inside, y]);
    arrow.label = arrow.told ? textSpot(model, flow, edge, widthOf(model, arrow)) : null;
  });
  orderSigns(model, arrows);
}

// Where a text along an arrow stands where nothing is in the way: right behind its source, or before its target.
function textSpot({ measure: m, turned }, flow, edge, w) {
  const bends = flow.bends.get(edge), stem = flow.stems.has(edge);
  const { strip, start, end } = bends[stem ? 0 : bends.length - 1], across = stem ? start : end, h = m.high;
  if (turned) {
    const far = stem ? m.away : strip.h - w - m.before_head;
    return { x: strip.y + (strip.isCrossed ? far : (strip.h - w - m.head_room) / 2), y: across - m.over - h, w, h };
  }
  const along = stem ? m.head_room : strip.h - 14 + m.rise - 2.8;
  const y = strip.y + (strip.isCrossed ? along : strip.h / 2 - 1) + 2.8 - m.rise;
  return { x: across + m.away, y, w, h };
}

// Takes the signs of arrows into bars where these stand in order.
function orderSigns(model, arrows) {
  const into = new Map();
  for (const arrow of arrows) if (arrow.points) into.set(arrow.target, [...(into.get(arrow.target) ?? []), arrow]);
  for (const [target, found] of into) {
    const tips = found.map(({ points }) => points[points.length - 1][0]);
    const ordered = tips.every((x, n) => n === 0 || tips[n - 1] < x);
    if (model.part(target).face === 'bar' && ordered) for (const arrow of found) arrow.sign = '';
  }
}
