// The corners of arrows, once everything has its place; the rules are those of routes.py.

const middle = (spot) => spot.x + spot.w / 2;
const centre = (spot) => spot.y + spot.h / 2;
const right = (spot) => spot.x + spot.w;
const bottom = (spot) => spot.y + spot.h;

// Gives each arrow its `points` and the place of its label; those of drawn numbers are not shown and get none.
function routeArrows(model, arrows, flow, plan) {
  arrows.forEach((arrow, edge) => {
    if (!flow.tips.has(edge)) return;
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
    arrow.label = textPlace(model.measure, bends, flow.stems.has(edge));
  });
  orderSigns(model, arrows);
}

// Where a text along an arrow stands: right below its source, or above its target.
function textPlace({ head_room: below, rise }, bends, stem) {
  const { strip, start, end } = bends[stem ? 0 : bends.length - 1], x = stem ? start : end;
  if (!strip.isCrossed) return [x, strip.y + strip.h / 2 - 1];
  return [x, stem ? strip.y + below : strip.y + strip.h - 14 + rise - 2.8];
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
