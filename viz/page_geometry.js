// What a page computes of views and lines. A view is a scale `k` and where the picture's origin is in the window, `x`
// and `y`; a spot is a rectangle of the picture; a size is that of the window, in pixels.

const NEAREST = 8, FARTHEST = 0.004; // The ends of the zoom.
const MARGIN = 24, TOP = 70; // What stays free around a part that is shown.

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

// The view in which a spot fills the window, but not larger than a scale.
function fitting(spot, { w, h }, largest = 1.6, margin = 28) {
  const top = Math.min(84, h * 0.12);
  const k = Math.min(largest, (w - 2 * margin) / spot.w, (h - top - margin) / spot.h);
  return { k, x: w / 2 - k * (spot.x + spot.w / 2), y: top + (h - top - margin) / 2 - k * (spot.y + spot.h / 2) };
}

// The nearest view to another in which a spot is inside the window, smaller if it is too large.
function showing(spot, view, { w, h }, smallest = 0.6) {
  const fit = Math.min((w - 2 * MARGIN) / spot.w, (h - TOP - MARGIN) / spot.h);
  const k = Math.min(view.k, Math.max(fit, Math.min(view.k, smallest)));
  let x = view.x + (view.k - k) * (spot.x + spot.w / 2), y = view.y + (view.k - k) * spot.y;
  const within = (low, high, from, to) => {
    return high - low > to - from ? from - low : Math.max(from - low, Math.min(0, to - high));
  };
  x += within(k * spot.x + x, k * right(spot) + x, MARGIN, w - MARGIN);
  y += within(k * spot.y + y, k * bottom(spot) + y, TOP, h - MARGIN);
  return { x, y, k };
}

// The view with a spot in the middle of the window, large enough to read.
function closeTo(spot, view, { w, h }) {
  const k = Math.max(0.9, Math.min(view.k, 1.6, 0.8 * w / spot.w));
  return { k, x: w / 2 - k * middle(spot), y: h / 2 - k * Math.min(centre(spot), spot.y + h / 3 / k) };
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
