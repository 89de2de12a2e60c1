// What a page computes of views and lines. A view is a scale `k` and where the picture's origin is in the window, `x`
// and `y`; a spot is a rectangle of the picture; a size is that of the window, in pixels; a room is the rectangle of
// the window in which something is to be shown.

const NEAREST = 8, FARTHEST = 0.004; // The ends of the zoom.
const LEGIBLE = 11 / 8; // The scale at which the smallest texts have 11 pixels.
const MARGIN = 20; // What stays free around what is shown.

const keyOf = (item) => (item < 0 ? `g${-1 - item}` : `n${item}`);
const number = (value) => Math.round(value * 100) / 100;
const mix = (a, b, t) => a + (b - a) * t;
const mixed = (a, b, t) => ({ x: mix(a.x, b.x, t), y: mix(a.y, b.y, t), w: mix(a.w, b.w, t), h: mix(a.h, b.h, t) });
const ease = (t) => 1 - (1 - t) ** 3;

// A view zoomed by a factor about a point of the window; what is under it stays there.
function zoomed({ x, y, k }, factor, px, py) {
  const to = Math.min(NEAREST, Math.max(FARTHEST, k * factor));
  return { k: to, x: px - (px - x) * (to / k), y: py - (py - y) * (to / k) };
}

// The room between panels, which are rectangles of the window, in which a spot can be shown largest.
function roomFor(spot, size, panels) {
  let best = { x: MARGIN, y: MARGIN, w: size.w - 2 * MARGIN, h: size.h - 2 * MARGIN }, most = [-1, 0];
  const spans = (axis, length, end) => {
    const from = [0, ...panels.map((panel) => panel[axis] + panel[length])];
    const to = [end, ...panels.map((panel) => panel[axis])];
    const all = from.flatMap((low) => to.map((high) => [low + MARGIN, high - low - 2 * MARGIN]));
    return all.filter(([, far]) => far > 0);
  };
  for (const [x, w] of spans('x', 'w', size.w)) {
    for (const [y, h] of spans('y', 'h', size.h)) {
      const room = { x, y, w, h }, scale = fitting(spot, room).k;
      const larger = scale > most[0] || (scale === most[0] && w * h > most[1]);
      if (larger && clear(room, panels)) [best, most] = [room, [scale, w * h]];
    }
  }
  return best;
}

// The view in which a spot fills a room, but not larger than a scale.
function fitting(spot, room, largest = 1.6) {
  const k = Math.min(largest, room.w / spot.w, room.h / spot.h);
  return { k, x: middle(room) - k * middle(spot), y: centre(room) - k * centre(spot) };
}

// The view in which a page opens: all of it where that is legible, else its beginning, around the first box.
function opening(spot, first, room, turned) {
  const whole = fitting(spot, room), k = LEGIBLE;
  if (whole.k >= k) return whole;
  const across = k * spot.w <= room.w ? spot : first, down = k * spot.h <= room.h ? spot : first;
  const [x, y] = [middle(room) - k * middle(across), centre(room) - k * centre(down)];
  return turned ? { k, x: room.x - k * spot.x, y } : { k, x, y: room.y - k * spot.y };
}

// The nearest view to another in which a spot is inside a room, smaller if it is too large.
function showing(spot, view, room, smallest = 0.6) {
  const fit = Math.min(room.w / spot.w, room.h / spot.h);
  const k = Math.min(view.k, Math.max(fit, Math.min(view.k, smallest)));
  let x = view.x + (view.k - k) * (spot.x + spot.w / 2), y = view.y + (view.k - k) * spot.y;
  const within = (low, high, from, to) => {
    return high - low > to - from ? from - low : Math.max(from - low, Math.min(0, to - high));
  };
  x += within(k * spot.x + x, k * right(spot) + x, room.x, right(room));
  y += within(k * spot.y + y, k * bottom(spot) + y, room.y, bottom(room));
  return { x, y, k };
}

// The view with a spot in the middle of a room, large enough to read.
function closeTo(spot, view, room) {
  const k = Math.max(0.9, Math.min(view.k, 1.6, 0.8 * room.w / spot.w));
  const y = Math.min(centre(spot), spot.y + room.h / 3 / k);
  return { k, x: middle(room) - k * middle(spot), y: centre(room) - k * y };
}

// Whether two views are the same but for what nobody sees.
function alike(a, b) { return Math.abs(a.x - b.x) + Math.abs(a.y - b.y) < 2 && Math.abs(a.k / b.k - 1) < 0.01; }

// A view in which the part nearest to the middle of the window, of those before that are there again, is where it was.
function moved(view, before, after, size) {
  const { x, y, k } = view, across = (size.w / 2 - x) / k, down = (size.h / 2 - y) / k;
  let best = view, least = Infinity;
  for (const [name, spot] of before) {
    const now = after.get(name), far = Math.abs(middle(spot) - across) + Math.abs(spot.y - down);
    if (now && far < least) [best, least] = [{ k, x: x + k * (spot.x - now.x), y: y + k * (spot.y - now.y) }, far];
  }
  return best;
}

// Where in the window a card of a size is put: to the right of a spot, or where there is room; else at the pointer.
function cardPlace(spot, card, { x, y, k, size }, pointer) {
  const gap = 14, left = x + k * spot.x, end = x + k * right(spot);
  let across = end + gap, down = y + k * spot.y;
  if (across + card.w > size.w - 8) across = left - gap - card.w;
  if (across < 8) across = end - card.w - 8;
  if (pointer) [across, down] = [pointer.x + 18, pointer.y + 12];
  const within = (value, most) => Math.round(Math.max(8, Math.min(value, most - 8)));
  return [within(across, size.w - card.w), within(down, size.h - card.h)];
}

// A path through points whose corners are rounded.
function rounded(points, radius, curve) {
  const far = (a, b) => Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]);
  const towards = (a, b, share) => [mix(a[0], b[0], share), mix(a[1], b[1], share)];
  const words = (point) => `${number(point[0])} ${number(point[1])}`;
  let path = `M${words(points[0])}`;
  for (let n = 1; n + 1 < points.length; n += 1) {
    const [before, corner, after] = points.slice(n - 1, n + 2);
    const enters = far(before, corner), leaves = far(corner, after);
    const room = Math.min(radius, n === 1 ? enters : enters / 2, n === points.length - 2 ? leaves : leaves / 2);
    if (room < 0.1) { path += `L${words(corner)}`; continue; }
    const enter = towards(corner, before, room / enters), leave = towards(corner, after, room / leaves);
    const bend = [towards(enter, corner, curve), towards(leave, corner, curve), leave];
    path += `L${words(enter)}C${bend.map(words).join(' ')}`;
  }
  return `${path}L${words(points[points.length - 1])}`;
}

// The point at a distance before the tip of a line.
function shortOf(before, tip, length) {
  if (Math.abs(before[0] - tip[0]) < 0.01) return [tip[0], tip[1] - (tip[1] > before[1] ? length : -length)];
  return [tip[0] - (tip[0] > before[0] ? length : -length), tip[1]];
}
