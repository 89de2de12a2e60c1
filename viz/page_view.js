// The picture of a page: draws what the layout says, moves from one layout to the next, and is looked at by a camera.

const SVG = 'http://www.w3.org/2000/svg';
const MOVE = 300, MANY = 1500; // Milliseconds of a movement; with more boxes than that nothing moves, it jumps.
const FAR = 0.34; // Below this scale texts are not drawn.

const still = window.matchMedia('(prefers-reduced-motion: reduce)');

function make(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const color = (name) => (!name ? 'none' : name.startsWith('#') ? name : `var(--${name})`);

// The shapes of a face, as page_data.py writes them: an outline begins with the number of its path, a text with itself.
function shapes(model, list) {
  return list.map(([first, ...rest]) => {
    if (typeof first === 'string') {
      const [x, y, size, fill, anchor, bold, width] = rest;
      const text = make('text', { x, y, 'font-size': size, 'text-anchor': anchor });
      if (bold) text.setAttribute('font-weight', 'bold');
      if (width) stretchTo(text, width);
      text.style.fill = color(fill);
      text.textContent = first;
      return text;
    }
    const [fill, stroke, width, dash] = rest, path = make('path', { d: model.paths[first] });
    path.style.fill = color(fill);
    if (stroke) {
      path.style.stroke = color(stroke);
      path.setAttribute('stroke-width', width);
      if (dash) path.setAttribute('stroke-dasharray', dash);
    }
    return path;
  });
}

// Gives a text the width that the layout has for it, in whatever font.
function stretchTo(text, width) {
  text.setAttribute('textLength', width);
  text.setAttribute('lengthAdjust', 'spacingAndGlyphs');
}

class Camera {
  constructor(stage, world) {
    Object.assign(this, { stage, world, x: 0, y: 0, k: 1, goal: null, frame: 0 });
  }

  get size() { return { w: this.stage.clientWidth, h: this.stage.clientHeight }; }

  set(view) {
    Object.assign(this, view);
    this.world.setAttribute('transform', `translate(${number(this.x)} ${number(this.y)}) scale(${this.k})`);
    this.stage.classList.toggle('far', this.k < FAR);
    this.moved?.();
  }

  stop() { cancelAnimationFrame(this.frame); this.goal = null; }

  // Glides towards a view, along with what was asked for before.
  glide(goal) {
    if (still.matches) { this.stop(); this.set(goal); return; }
    const running = this.goal !== null;
    this.goal = goal;
    if (running) return;
    let last = performance.now();
    const step = (now) => {
      const share = 1 - Math.exp(-Math.min(now - last, 60) / 55);
      last = now;
      const { x, y, k } = this.goal;
      const close = Math.abs(x - this.x) + Math.abs(y - this.y) < 0.5 && Math.abs(k / this.k - 1) < 0.002;
      if (close) { this.goal = null; this.set({ x, y, k }); return; }
      this.set({ x: mix(this.x, x, share), y: mix(this.y, y, share), k: mix(this.k, k, share) });
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  get target() { return this.goal ?? { x: this.x, y: this.y, k: this.k }; }

  // Zooms by a factor about a point of the window.
  zoom(factor, px = this.size.w / 2, py = this.size.h / 2, jump = false) {
    const view = zoomed(this.target, factor, px, py);
    if (jump) this.set(view); else this.glide(view);
  }

  pan(dx, dy) {
    this.stop();
    this.set({ x: this.x + dx, y: this.y + dy });
  }
}

class View {
  constructor(model, stage) {
    Object.assign(this, { model, stage, parts: new Map(), arrows: new Map(), frame: 0, lit: null });
    const layer = (name) => make('g', { class: name, role: 'none' });
    this.layers = { frames: layer('frames'), arrows: layer('arrows'), boxes: layer('boxes') };
    this.layers.arrows.setAttribute('aria-hidden', 'true');
    this.ring = make('rect', { class: 'ring', rx: 7 });
    const world = make('g', { role: 'none' }, this.layers.frames, this.layers.arrows, this.layers.boxes, this.ring);
    stage.append(world);
    this.camera = new Camera(stage, world);
    this.now = null;
  }

  // Takes another model, of which nothing is drawn yet.
  take(model) {
    this.finish?.();
    for (const part of this.parts.values()) part.element.remove();
    this.layers.arrows.replaceChildren();
    Object.assign(this, { model, parts: new Map(), arrows: new Map(), lit: null, now: null });
    this.mark(null);
  }

  // Shows a layout. What stays moves to its new place, what is new appears, what is gone vanishes. `anchor` is the part
  // that stays where it is in the window; `look` makes the view to go to of the one in which that is so.
  show(next, { anchor = null, look = null }) {
    this.finish?.();
    const last = this.now, targets = new Map();
    for (const [group, spot] of next.frames) targets.set(`g${group}`, { spot, open: true });
    for (const [item, spot] of next.spots) targets.set(keyOf(item), { spot, open: item >= 0 });
    const before = new Map([...this.parts].map(([key, part]) => [key, part.spot]));
    for (const [key, part] of this.parts) {
      if (targets.get(key)?.open === part.open) continue;
      part.element.remove();
      this.parts.delete(key);
    }
    for (const [key, { spot, open }] of targets) {
      const part = this.parts.get(key) ?? this.add(key, open);
      part.to = spot;
      part.from = before.get(key) ?? spot;
      part.fresh = !before.has(key);
    }
    const old = new Map([...this.arrows].map(([key, arrow]) => [key, arrow.points]));
    this.layers.arrows.replaceChildren();
    this.arrows = new Map();
    for (const arrow of next.arrows) {
      if (!arrow.points) continue;
      const drawn = this.drawArrow(arrow), from = old.get(arrow.key);
      drawn.from = from && from.length === arrow.points.length ? from : null;
      this.arrows.set(arrow.key, drawn);
    }
    this.now = next;
    this.move(anchor, look, still.matches || !last || targets.size > MANY);
  }

  move(anchor, look, jump) {
    const held = anchor === null ? null : this.parts.get(anchor);
    const from = { ...this.camera.target };
    this.camera.stop();
    const { k } = from;
    let to = held ? { k, x: from.x + k * (held.from.x - held.to.x), y: from.y + k * (held.from.y - held.to.y) } : from;
    if (look) to = look(to);
    const start = performance.now();
    const draw = (t) => {
      for (const part of this.parts.values()) this.put(part, t);
      for (const arrow of this.arrows.values()) this.run(arrow, t);
      this.camera.set({ x: mix(from.x, to.x, t), y: mix(from.y, to.y, t), k: mix(from.k, to.k, t) });
      this.place();
    };
    this.finish = () => { cancelAnimationFrame(this.frame); this.finish = null; draw(1); };
    if (jump) { this.finish(); return; }
    const step = (now) => {
      const t = Math.max(0, (now - start) / MOVE);
      if (t >= 1) { this.finish(); return; }
      draw(ease(t));
      this.frame = requestAnimationFrame(step);
    };
    draw(0);
    this.frame = requestAnimationFrame(step);
  }

  // --- boxes and frames --------------------------------------------------------------------------------------------

  add(key, open) {
    const group = key[0] === 'g', place = Number(key.slice(1)), item = group ? -1 - place : place;
    const part = { key, item, open, group }, what = this.model.part(item);
    const level = this.model.around(item).length + 1, kind = group && open ? 'frame' : `box ${what.face}`;
    part.element = make('g', { id: key, class: kind, role: 'treeitem', tabindex: -1, 'aria-level': level });
    if (group && open) this.addFrame(part, what);
    else if (what.face === 'bar') this.addBar(part, what);
    else part.element.append(...shapes(this.model, what.draw));
    if (group) {
      part.element.setAttribute('aria-expanded', open);
      const d = open ? 'M-2.6 -1.2L0 1.6L2.6 -1.2' : 'M-1.2 -2.6L1.6 0L-1.2 2.6';
      part.knob = make('g', { class: 'knob' }, make('circle', { r: 6 }), make('path', { d }));
      part.element.append(part.knob);
    }
    this.labelled?.(part, what);
    this.layers[group && open ? 'frames' : 'boxes'].append(part.element);
    this.parts.set(key, part);
    return part;
  }

  addFrame(part, group) {
    const { pile, corner } = this.model.measure, backs = group.count > 1 ? [2 * pile, pile, 0] : [0];
    part.sheets = backs.map((back) => {
      const sheet = make('rect', { class: `sheet level${group.level % 2}`, rx: corner, x: back, y: back });
      part.element.append(sheet);
      return sheet;
    });
    const [width, height] = group.head, touch = make('rect', { class: 'touch', width: width + 8, height: height + 2 });
    part.element.append(make('g', { class: 'heading' }, touch, ...shapes(this.model, group.heading)));
  }

  addBar(part, box) {
    part.high = box.h;
    part.bar = make('rect', { class: 'sheet', rx: box.round ? box.h / 2 : 0 });
    if (box.dash) part.bar.setAttribute('stroke-dasharray', box.dash);
    part.middle = make('g', {}, ...shapes(this.model, box.draw));
    part.element.append(part.bar, part.middle);
  }

  put(part, t) {
    const spot = t < 1 ? mixed(part.from, part.to, t) : part.to;
    part.spot = spot;
    part.element.setAttribute('transform', `translate(${number(spot.x)} ${number(spot.y)})`);
    for (const sheet of part.sheets ?? (part.bar ? [part.bar] : [])) {
      sheet.setAttribute('width', number(spot.w));
      sheet.setAttribute('height', number(spot.h));
    }
    part.middle?.setAttribute('transform', `translate(${number(spot.w / 2)} ${number((spot.h - part.high) / 2)})`);
    part.knob?.setAttribute('transform', `translate(0 ${part.open ? 15 : number(spot.h / 2)})`);
    part.element.style.opacity = part.fresh && t < 1 ? Math.max(0, t * 1.6 - 0.6) : '';
  }

  // --- arrows ------------------------------------------------------------------------------------------------------

  drawArrow(arrow) {
    const line = make('path', { class: 'line' }), head = make('path', { class: 'head' });
    const element = make('g', { class: 'arrow' }, line, head), drawn = { arrow, element, line, head };
    if (arrow.training || arrow.drawn) line.setAttribute('stroke-dasharray', '4 3');
    if (arrow.label) {
      const [text, width] = this.model.shapes[arrow.shape];
      drawn.label = make('text', { class: 'shape', 'font-size': this.model.measure.small });
      drawn.label.textContent = text;
      stretchTo(drawn.label, width);
      element.append(drawn.label);
    }
    if (arrow.sign) {
      const { text, small } = this.model.measure, size = /^[0-9]/.test(arrow.sign) ? small : text;
      drawn.sign = make('text', { class: 'sign', 'font-size': size });
      drawn.sign.textContent = arrow.sign;
      element.append(drawn.sign);
    }
    this.layers.arrows.append(element);
    return drawn;
  }

  run(drawn, t) {
    const { arrow, from } = drawn, { round, head, curve, rise } = this.model.measure;
    const between = ([x, y], n) => [mix(x, arrow.points[n][0], t), mix(y, arrow.points[n][1], t)];
    const points = from && t < 1 ? from.map(between) : arrow.points;
    drawn.points = points;
    const tip = points[points.length - 1], before = points[points.length - 2];
    drawn.line.setAttribute('d', rounded([...points.slice(0, -1), shortOf(before, tip, head - 0.5)], round, curve));
    const [x, y] = shortOf(before, tip, head), [a, b] = Math.abs(before[0] - tip[0]) < 0.01 ? [2.2, 0] : [0, 2.2];
    const corner = (dx, dy) => `L${number(x + dx)} ${number(y + dy)}`;
    drawn.head.setAttribute('d', `M${number(tip[0])} ${number(tip[1])}${corner(a, b)}${corner(-a, -b)}Z`);
    const put = (text, [px, py], dx, dy) => {
      text.setAttribute('x', number(px + dx));
      text.setAttribute('y', number(py + dy));
    };
    if (drawn.label) put(drawn.label, [arrow.label.x, arrow.label.y], 0, rise);
    if (drawn.sign) put(drawn.sign, [arrow.mark.x, arrow.mark.y], 0, this.model.measure.sign - 2.5);
    const appears = t < 1 ? Math.max(0, t * 2 - 1) : '';
    drawn.element.style.opacity = from ? '' : appears;
    for (const text of [drawn.label, drawn.sign]) if (text) text.style.opacity = appears;
  }

  // --- what is looked at -------------------------------------------------------------------------------------------

  // Puts the ring around the part that has the focus.
  mark(key) { this.marked = key; this.place(); }

  place() {
    const part = this.parts.get(this.marked);
    this.ring.style.display = part ? '' : 'none';
    if (!part) return;
    const { x, y, w, h } = part.spot;
    const around = { x: x - 4, y: y - 4, width: w + 8, height: h + 8 };
    for (const [name, value] of Object.entries(around)) this.ring.setAttribute(name, number(value));
  }

  // Lights the arrows that lead to an item and from it.
  light(item) {
    if (this.lit === item) return;
    this.lit = item;
    for (const { arrow, element } of this.arrows.values()) {
      const on = item !== null && (arrow.source === item || arrow.target === item);
      if (on !== element.classList.contains('lit')) element.classList.toggle('lit', on);
      if (on) this.layers.arrows.append(element);
    }
  }

  spotOf(key) { return this.parts.get(key)?.to; }
}
