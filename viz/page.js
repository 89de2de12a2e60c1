// What a page does: folds and unfolds, goes from part to part, and obeys the keyboard.

class Page {
  constructor(model) {
    this.model = model;
    this.open = model.groups.map((group) => Boolean(group.open));
    this.stage = $('stage');
    this.view = new View(model, this.stage);
    this.view.labelled = (part, what) => part.element.setAttribute('aria-label', this.label(what));
    this.card = new Card(model, this.view.camera);
    this.view.camera.moved = () => this.card.place();
    this.focused = null; // The part at which the keyboard is.
    this.hovered = false; // Whether the pointer has the word.
    this.head();
    this.legend();
    new Search(this);
    new Pointer(this);
    this.listen();
    this.draw({ look: () => this.fitted() });
  }

  fitted() { return this.view.camera.fitting(this.view.now.bounds); }

  draw(how) {
    this.card.tell(null);
    this.view.show(layout(this.model, this.open), how);
    if (!this.view.parts.has(this.focused)) this.focused = this.highest();
    this.view.parts.get(this.focused)?.element.setAttribute('tabindex', 0);
  }

  // The part at the top of the picture, at which the keyboard begins.
  highest() {
    const boxes = [...this.view.parts.values()].filter((part) => !part.group || !part.open);
    return boxes.reduce((best, part) => (best && best.to.y <= part.to.y ? best : part), null)?.key ?? null;
  }

  // --- folding -----------------------------------------------------------------------------------------------------

  // Folds or unfolds a group, in place. What it holds is found again as it was left.
  toggle(group) {
    const key = `g${group}`, opens = !this.open[group];
    this.open[group] = opens;
    const look = (view) => this.view.camera.showing(this.view.spotOf(key), view, opens ? 0.6 : view.k);
    this.draw({ anchor: key, look });
    this.focus(key, false);
    if (this.hovered) this.card.tell(null); // Not to hide what has just appeared.
    this.say(`${this.model.groups[group].title} ${opens ? 'unfolded' : 'folded'}`);
  }

  // Unfolds the outermost level of what is folded, or folds the innermost of what is not.
  level(deeper) {
    const { groups } = this.model, shown = this.model.shown(this.open).groups;
    const stands = (group, n) => (deeper ? group.parent < 0 || shown[group.parent] : shown[n]);
    const found = groups.map((_, n) => n).filter((n) => this.open[n] !== deeper && stands(groups[n], n));
    const levels = found.map((n) => groups[n].level), goal = deeper ? Math.min(...levels) : Math.max(...levels);
    const changed = found.filter((n) => groups[n].level === goal);
    changed.forEach((n) => { this.open[n] = deeper; });
    if (changed.length) this.draw({ look: () => this.fitted() });
    this.say(changed.length ? `${changed.length} ${deeper ? 'unfolded' : 'folded'}` : 'nothing more');
  }

  // Unfolds what is around an item, and goes to it. `name` may be that of an equal for which it is drawn.
  reveal(item, name) {
    const around = this.model.around(item), hidden = around.some((group) => !this.open[group]);
    around.forEach((group) => { this.open[group] = true; });
    if (hidden) this.draw({ look: (view) => this.closeTo(item, view) });
    else this.view.camera.glide(this.closeTo(item, this.view.camera.target));
    this.hovered = false;
    this.focus(keyOf(item), false);
    const names = this.model.part(item).rows.map((row) => row.path);
    if (name && !names.includes(name)) this.card.hint(`${name} is drawn here`);
  }

  // The view with an item in the middle of the window, large enough to read.
  closeTo(item, view) {
    const spot = this.view.spotOf(keyOf(item)), { w, h } = this.view.camera.size;
    const k = Math.max(0.9, Math.min(view.k, 1.6, 0.8 * w / spot.w));
    return { k, x: w / 2 - k * middle(spot), y: h / 2 - k * Math.min(centre(spot), spot.y + h / 3 / k) };
  }

  // --- focus -------------------------------------------------------------------------------------------------------

  focus(key, follow = true) {
    const part = this.view.parts.get(key), { camera } = this.view;
    if (!part) return;
    this.view.parts.get(this.focused)?.element.setAttribute('tabindex', -1);
    this.focused = key;
    part.element.setAttribute('tabindex', 0);
    part.element.focus({ preventScroll: true });
    this.view.mark(key);
    this.view.light(part.item);
    const view = camera.target;
    if (follow) camera.glide(view.k < 0.5 ? this.closeTo(part.item, view) : camera.showing(part.to, view, view.k));
    this.card.tell(part);
  }

  // Goes to the nearest box in a direction.
  go(dx, dy) {
    const part = this.view.parts.get(this.focused);
    if (!part) return;
    if (this.partAt(document.activeElement) !== part) { this.focus(this.focused); return; }
    const inside = part.group && part.open;
    let best = null, least = Infinity;
    for (const other of this.view.parts.values()) {
      if (other === part || (other.group && other.open)) continue;
      const far = dy ? this.below(part.to, other.to, dy, inside) : this.beside(part.to, other.to, dx);
      if (far < least) [best, least] = [other, far];
    }
    if (best) this.focus(best.key);
  }

  // How far one spot is below another, or above it; what is to the side counts more. Infinity where it is not.
  below(from, spot, dy, inside) {
    const ahead = dy > 0 ? spot.y - (inside ? from.y : bottom(from)) : from.y - bottom(spot);
    return ahead < -1 ? Infinity : ahead + 1.5 * Math.abs(middle(spot) - middle(from));
  }

  beside(from, spot, dx) {
    const ahead = dx * (middle(spot) - middle(from));
    return ahead < 4 ? Infinity : ahead + 6 * Math.max(0, spot.y - bottom(from), from.y - bottom(spot));
  }

  act() {
    const part = this.view.parts.get(this.focused);
    this.hovered = false;
    if (part?.group) this.toggle(-1 - part.item);
  }

  foldAround() {
    const part = this.view.parts.get(this.focused);
    if (!part) return;
    const group = part.group && part.open ? -1 - part.item : this.model.part(part.item).parent;
    this.hovered = false;
    if (group >= 0) this.toggle(group);
  }

  // The pointer is on nothing: the focus has the word again.
  leave() {
    const part = this.view.marked ? this.view.parts.get(this.view.marked) : null;
    this.hovered = false;
    this.view.light(part ? part.item : null);
    this.card.tell(part ?? null);
  }

  release() {
    document.activeElement?.blur();
    this.view.mark(null);
    this.leave();
  }

  partAt(target) {
    const found = target?.closest?.('.box, .frame');
    return found ? this.view.parts.get(found.id) : null;
  }

  // --- words -------------------------------------------------------------------------------------------------------

  label(what) {
    const texts = what.title ? [what.title, what.note] : what.rows.map((row) => row.text);
    const [{ path, gives }] = what.rows, [parameters, macs] = what.total;
    const costs = `${whole.format(parameters)} parameters, ${whole.format(macs)} multiply-adds`;
    const facts = [texts.filter(Boolean).join(', '), path, gives, parameters || macs ? costs : ''];
    return facts.filter(Boolean).join('; ');
  }

  say(text) { $('said').textContent = text; }

  head() {
    const { name, parameters, macs, sizes, doc } = this.model;
    $('name').textContent = name;
    $('figures').textContent = `${short(parameters)} parameters · ${short(macs)} multiply-adds`;
    $('sizes').textContent = sizes;
    $('doc').textContent = doc;
    this.stage.setAttribute('aria-label', `${name}: ${whole.format(parameters)} parameters`);
  }

  legend() {
    const { legend } = this.model;
    if (!legend) { $('legend').remove(); return; }
    const [top, height] = [12, Math.max(1, legend.h - 12)], viewBox = `0 ${top} ${legend.w} ${height}`;
    const picture = make('svg', { width: legend.w, height, viewBox, 'aria-hidden': 'true' });
    picture.append(...shapes(this.model, legend.draw));
    $('key').append(picture);
  }

  // --- the keyboard and the buttons --------------------------------------------------------------------------------

  listen() {
    const { camera } = this.view;
    this.stage.addEventListener('focusin', (event) => {
      const part = this.partAt(event.target);
      if (part && part.key !== this.focused) this.focus(part.key);
      else if (part) { this.view.mark(part.key); this.card.tell(part); }
    });
    this.stage.addEventListener('focusout', () => this.view.mark(null));
    window.addEventListener('resize', () => this.card.place());
    const buttons = {
      nearer: () => camera.zoom(1.4),
      farther: () => camera.zoom(1 / 1.4),
      fit: () => camera.glide(this.fitted()),
      more: () => this.level(true),
      less: () => this.level(false),
      theme: () => this.theme(),
      help: () => $('keys').showModal(),
    };
    for (const [id, action] of Object.entries(buttons)) $(id).addEventListener('click', action);
    this.keys = {
      ArrowUp: () => this.go(0, -1),
      ArrowDown: () => this.go(0, 1),
      ArrowLeft: () => this.go(-1, 0),
      ArrowRight: () => this.go(1, 0),
      Enter: () => this.act(),
      ' ': () => this.act(),
      Backspace: () => this.foldAround(),
      Escape: () => this.release(),
      '/': () => $('search').focus(),
      '+': buttons.nearer,
      '=': buttons.nearer,
      '-': buttons.farther,
      0: buttons.fit,
      ']': buttons.more,
      '[': buttons.less,
      t: buttons.theme,
      '?': buttons.help,
    };
    document.addEventListener('keydown', (event) => this.key(event));
  }

  key(event) {
    const elsewhere = event.target === $('search') || $('keys').open;
    if (elsewhere || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(this.keys, event.key)) return;
    const presses = event.target.closest?.('button, summary') && (event.key === 'Enter' || event.key === ' ');
    if (presses) return;
    event.preventDefault();
    this.keys[event.key]();
  }

  theme() {
    const root = document.documentElement, dark = window.matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = (root.dataset.theme ?? (dark ? 'dark' : 'light')) === 'dark' ? 'light' : 'dark';
  }
}

new Page(new Model(JSON.parse($('data').textContent)));
