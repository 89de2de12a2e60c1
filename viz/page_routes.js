// The routes of the arrows, once everything has its place; the rules are those of routes.py.

const middle = (spot) => spot.x + spot.w / 2;
const centre = (spot) => spot.y + spot.h / 2;
const right = (spot) => spot.x + spot.w;
const bottom = (spot) => spot.y + spot.h;

// Widens the bars over all that they join, within their frames and as far as nothing is in the way.
function stretch(model, arrows, plan) {
  const taken = new Map(), { reach, side, detour: { clear } } = model.measure;
  arrows.forEach((arrow, number) => {
    const target = model.part(arrow.target);
    if (target.face !== 'bar' || arrow.drawn) return;
    const frame = plan.frames.get(target.parent), lanes = plan.lanes.get(number);
    const x = lanes ? lanes[lanes.length - 1][0] : middle(plan.spots.get(arrow.source));
    if (frame && !(frame.x < x && x < right(frame))) return;
    if (!taken.has(arrow.target)) taken.set(arrow.target, []);
    taken.get(arrow.target).push([x, lanes ? side : reach]);
  });
  const straight = taken.size ? arrows.flatMap((arrow, number) => straightLine(model, arrow, number, plan)) : [];
  for (const [item, found] of taken) {
    const spot = plan.spots.get(item), around = model.around(item);
    const others = [...plan.spots].filter(([other]) => other !== item).map(([, other]) => other);
    others.push(...[...plan.frames].filter(([group]) => !around.includes(group)).map(([, frame]) => frame));
    others.push(...straight.filter(({ ends }) => !ends.includes(item)));
    const beside = others.filter((other) => other.y < bottom(spot) + clear && bottom(other) > spot.y - clear);
    const low = Math.max(...beside.filter((other) => right(other) <= spot.x).map((other) => right(other) + clear));
    const high = Math.min(...beside.filter((other) => other.x >= right(spot)).map((other) => other.x - clear));
    const ends = found.filter(([x]) => low < x && x < high);
    const from = Math.max(low, Math.min(spot.x, ...ends.map(([x, more]) => x - more)));
    const to = Math.max(right(spot), Math.min(high, Math.max(...ends.map(([x, more]) => x + more))));
    spot.x = Math.min(from, spot.x);
    spot.w = to - spot.x;
  }
}

// The line of an arrow that runs straight down from a box to another, or nothing.
function straightLine(model, { source, target, drawn }, number, plan) {
  const [from, to] = [plan.spots.get(source), plan.spots.get(target)], x = middle(from);
  if (plan.lanes.has(number) || drawn || Math.abs(x - middle(to)) >= model.measure.near) return [];
  return [{ x, y: bottom(from), w: 0, h: to.y - bottom(from), ends: [source, target] }];
}

// Gives each arrow its `points` and the place of its label; those of drawn numbers are not shown and get none.
class Router {
  constructor(model, arrows, plan) {
    Object.assign(this, { model, arrows, plan, into: new Map(), fans: new Map(), twins: new Map() });
    const count = (map, key, number) => map.set(key, [...(map.get(key) ?? []), number]);
    arrows.forEach((arrow, number) => {
      if (plan.lanes.has(number)) return;
      count(this.twins, `${arrow.source} ${arrow.target}`, number);
      if (arrow.drawn) return;
      count(this.fans, arrow.source, number);
      count(this.into, arrow.target, number);
    });
  }

  run() {
    this.arrows.forEach((arrow, number) => {
      if (arrow.drawn) return;
      const source = this.plan.spots.get(arrow.source), target = this.plan.spots.get(arrow.target);
      const lanes = this.plan.lanes.get(number) ?? [];
      let x = this.start(arrow, source, target, lanes) + this.shift(number, arrow);
      let points = [[x, bottom(source)]];
      for (const [lane, top] of lanes) {
        const y = Math.max(top, bottom(source) + 4);
        points.push([x, y], [lane, y]);
        x = lane;
      }
      points.push(...this.end(number, arrow, x, points[points.length - 1][1], target, lanes.length > 0));
      const others = this.others(arrow);
      if (crosses(points, others, -1)) {
        const side = ['circle', 'bar'].includes(this.model.part(arrow.target).face);
        points = detour(source, target, side, others, this.model.measure.detour) ?? points;
      }
      arrow.points = plain(points);
    });
    this.part();
    for (const arrow of this.arrows) if (arrow.points) arrow.label = this.label(arrow, arrow.points);
  }

  // The boxes that are not the ends of an arrow.
  others({ source, target }) {
    return [...this.plan.spots].filter(([item]) => item !== source && item !== target).map(([, spot]) => spot);
  }

  // Where it matters which input an arrow brings, puts the ends of those that meet beside one another, and takes the
  // signs of those into a bar that stand in order.
  part() {
    const gathered = (found, key) => {
      const by = new Map();
      for (const arrow of found) by.set(key(arrow), [...(by.get(key(arrow)) ?? []), arrow]);
      return by;
    };
    const tip = ({ points }) => points[points.length - 1];
    for (const [target, into] of gathered(this.arrows.filter(({ points }) => points), (arrow) => arrow.target)) {
      if (!into.some(({ sign }) => sign)) continue;
      const { face } = this.model.part(target), spot = this.plan.spots.get(target);
      const most = face === 'circle' ? into.length : this.model.measure.apart;
      for (const meeting of gathered(into, (arrow) => tip(arrow).join(' ')).values()) {
        if (meeting.length > most) {
          for (const arrow of meeting) arrow.sign = '';
          continue;
        }
        for (const [arrow, points] of partedWays(meeting, spot, face === 'circle')) {
          if (meeting.length > 1 && !crosses(points, this.others(arrow))) arrow.points = points;
        }
      }
      const ordered = into.every((arrow, n) => n === 0 || tip(into[n - 1])[0] < tip(arrow)[0]);
      if (face === 'bar' && ordered) for (const arrow of into) arrow.sign = '';
    }
  }

  fan(item) { return (this.fans.get(item) ?? []).length; }

  start(arrow, source, target, lanes) {
    if (this.model.part(arrow.source).face !== 'bar') return middle(source);
    const goal = lanes.length ? lanes[0][0] : middle(target);
    return source.x + 5 <= goal && goal <= right(source) - 5 ? goal : middle(source);
  }

  shift(number, arrow) {
    const twins = this.twins.get(`${arrow.source} ${arrow.target}`) ?? [];
    return twins.includes(number) && twins.length > 1 ? (twins.indexOf(number) - (twins.length - 1) / 2) * 9 : 0;
  }

  end(number, arrow, x, y, target, beside) {
    const { face } = this.model.part(arrow.target), { fan, gap, near } = this.model.measure;
    const side = [x > middle(target) ? right(target) : target.x, centre(target)];
    if (face === 'bar' && target.x + 4 <= x && x <= right(target) - 4) return [[x, target.y]];
    if (Math.abs(x - middle(target)) < (face === 'circle' ? 0.5 : near) && !beside) return [[x, target.y]];
    if (face === 'circle' || face === 'bar' || (beside && !(target.x <= x && x <= right(target)))) {
      return [[x, centre(target)], side];
    }
    const [top, low] = this.between(arrow);
    const early = this.fan(arrow.source) > 1 && (this.into.get(arrow.target) ?? []).length < 2;
    let level;
    if (this.plan.early.has(number) || early) level = Math.max(y, top) + fan - 3;
    else {
      level = Math.max(y, low - gap / 2 - 1);
      if (this.isBlocked(target, level)) return [[x, centre(target)], side];
    }
    return [[x, level], [middle(target), level], [middle(target), target.y]];
  }

  isBlocked(target, level) {
    const x = middle(target);
    for (const spot of this.plan.spots.values()) {
      if (spot.x < x && x < right(spot) && level < centre(spot) && centre(spot) < target.y - 1) return true;
    }
    return false;
  }

  label(arrow, points) {
    const [top, low] = this.between(arrow);
    let best = [points[0], points[points.length - 1]];
    points.slice(1).forEach((b, number) => {
      const a = points[number];
      if (a[0] === b[0] && b[1] - a[1] >= 8) best = [a, b];
    });
    let from = Math.max(best[0][1], top), to = Math.min(best[1][1], low);
    if (this.fan(arrow.source) > 1) from = Math.max(from, top + this.model.measure.fan);
    if (to - from < 6) [from, to] = [best[0][1], best[1][1]];
    return [best[0][0] === best[1][0] ? best[1][0] : points[0][0], (from + to) / 2 - 1];
  }

  // The bottom of the outermost frame that the arrow leaves, and the top of the outermost that it enters.
  between(arrow) {
    const source = this.model.around(arrow.source), target = this.model.around(arrow.target);
    while (source.length && target.length && source[source.length - 1] === target[target.length - 1]) {
      source.pop();
      target.pop();
    }
    const { frames, spots } = this.plan;
    return [
      bottom(source.length ? frames.get(source[source.length - 1]) : spots.get(arrow.source)),
      (target.length ? frames.get(target[target.length - 1]) : spots.get(arrow.target)).y,
    ];
  }
}

// Ways of arrows that meet in one point, with their ends beside one another.
function partedWays(arrows, spot, isCircle) {
  const last = (arrow, n) => arrow.points[arrow.points.length - n], tip = last(arrows[0], 1)[0];
  const down = last(arrows[0], 2)[0] === tip, radius = spot.w / 2;
  const origin = new Map(arrows.map((arrow) => [arrow, last(arrow, down && arrow.points.length > 2 ? 3 : 2)[0]]));
  const far = (arrow) => (down ? origin.get(arrow) : Math.abs(origin.get(arrow) - tip));
  const order = [...arrows].sort((a, b) => far(a) - far(b));
  const step = Math.min(14, 0.55 * (down ? spot.w : spot.h) / Math.max(1, order.length - 1));
  return order.map((arrow, place) => {
    const before = arrow.points.slice(0, -2), [endX, endY] = last(arrow, 1);
    let [x, y] = last(arrow, 2);
    const by = (place - (order.length - 1) / 2) * step, inner = isCircle ? radius - Math.sqrt(radius ** 2 - by ** 2) : 0;
    if (!down) return [arrow, [...before, [x, y + by], [endX + (endX < middle(spot) ? inner : -inner), endY + by]]];
    if (before.length > 1) {
      const west = origin.get(arrow) < tip, side = order.filter((other) => (origin.get(other) < tip) === west);
      const rank = west ? side.indexOf(arrow) : side.length - 1 - side.indexOf(arrow);
      y = Math.max(before[before.length - 2][1], y - 3 * rank);
      before[before.length - 1] = [before[before.length - 1][0], y];
    }
    return [arrow, [...before, [x + by, y], [endX + by, endY + inner]]];
  });
}

// Points without corners that are none.
function plain(points) {
  const kept = [];
  points.forEach((point, number) => {
    const before = kept[kept.length - 1], after = points[number + 1];
    if (before && before[0] === point[0] && before[1] === point[1]) return;
    const along = (axis) => before[axis] === point[axis] && point[axis] === after[axis];
    if (before && after && (along(0) || along(1))) return;
    kept.push(point);
  });
  return kept;
}
