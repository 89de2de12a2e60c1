// What a page does: shows what its state says, and obeys the keyboard.

class Page {
  constructor(model) {
    this.model = model;
    this.folding = new Folding(model);
    this.stage = $('stage');
    this.view = new View(model, this.stage);
    this.view.labelled = (part, what) => part.element.setAttribute('aria-label', labelOf(what));
    this.card = new Card(model, this.view.camera);
    this.view.camera.moved = () => this.card.place();
    this.focused = null; // The part at which the keyboard is.
    this.hovered = false; // Whether the pointer has the word.
    this.search = new Search(this);
    this.introduce();
    this.pointer = new Pointer(this);
    this.listen();
    this.draw({ look: () => this.opened() });
  }

  opened() {
    const { bounds } = this.view.now, first = this.view.spotOf(highest(this.parts()));
    return opening(bounds, first, this.room(bounds), this.model.turned);
  }

  fitted() { return fitting(this.view.now.bounds, this.room(this.view.now.bounds)); }

  // The room for a spot that the panels leave.
  room(spot) {
    const panels = [...document.querySelectorAll('header, #finder, #legend, #tools')].map((panel) => {
      const { x, y, width, height } = panel.getBoundingClientRect();
      return { x, y, w: width, h: height };
    });
    return roomFor(spot, this.view.camera.size, panels.filter(({ w }) => w));
  }

  shown(spot, view, smallest) { return showing(spot, view, this.room(spot), smallest); }

  near(spot, view) { return closeTo(spot, view, this.room(spot)); }

  parts() { return [...this.view.parts.values()]; }

  draw(how) {
    this.card.tell(null);
    this.view.show(layout(this.model, this.folding.open), how);
    if (!this.view.parts.has(this.focused)) this.focused = highest(this.parts());
    this.view.parts.get(this.focused)?.element.setAttribute('tabindex', 0);
  }

  // Shows another model in the place of this one, and looks at it as before: what has a name in both stays open or
  // folded, and where it was in the window; what filled the window does so again. What is new glows.
  take(model) {
    const { camera } = this.view, before = camera.target, known = this.found(), old = new Set(this.labels());
    const fits = alike(before, this.fitted()), held = this.view.parts.get(this.focused);
    const name = held && nameOf(this.model, held.item), focused = this.partAt(document.activeElement) !== null;
    const open = new Map(this.model.groups.map((_, n) => [nameOf(this.model, -1 - n), this.folding.open[n]]));
    this.view.take(model);
    Object.assign(this, { model, folding: new Folding(model), hovered: false });
    this.card.model = model;
    model.groups.forEach((_, n) => { this.folding.open[n] = open.get(nameOf(model, -1 - n)) ?? this.folding.open[n]; });
    this.introduce();
    const look = (view) => (fits ? this.fitted() : moved(view, known, this.found(), camera.size));
    this.focused = null;
    this.draw({ look });
    const again = this.parts().find((part) => nameOf(model, part.item) === name);
    if (again) this.held(again, focused);
    for (const part of this.parts()) if (!old.has(labelOf(model.part(part.item)))) part.element.classList.add('fresh');
  }

  // Where each part that is shown stands, by its name; and what the parts of the model say.
  found() { return new Map(this.parts().map((part) => [nameOf(this.model, part.item), part.to])); }

  labels() { return [...this.model.boxes, ...this.model.groups].map(labelOf); }

  held(part, focused) {
    this.view.parts.get(this.focused)?.element.setAttribute('tabindex', -1);
    this.focused = part.key;
    part.element.setAttribute('tabindex', 0);
    if (focused) part.element.focus({ preventScroll: true });
  }

  // --- folding -----------------------------------------------------------------------------------------------------

  toggle(group) {
    const key = `g${group}`, opens = this.folding.toggle(group), { camera } = this.view;
    const look = (view) => this.shown(this.view.spotOf(key), view, opens ? 0.6 : view.k);
    this.draw({ anchor: key, look });
    this.focus(key, false);
    if (this.hovered) this.card.tell(null); // Not to hide what has just appeared.
    this.say(`${this.model.groups[group].title} ${opens ? 'unfolded' : 'folded'}`);
  }

  level(deeper) {
    const changed = this.folding.level(deeper);
    if (changed) this.draw({ look: () => this.fitted() });
    this.say(changed ? `${changed} ${deeper ? 'unfolded' : 'folded'}` : 'nothing more');
  }

  // Unfolds what is around an item, and goes to it. `name` may be that of an equal for which it is drawn.
  reveal(item, name) {
    const { camera } = this.view, look = (view) => this.near(this.view.spotOf(keyOf(item)), view);
    if (this.folding.reveal(item)) this.draw({ look });
    else camera.glide(look(camera.target));
    this.hovered = false;
    this.focus(keyOf(item), false);
    const names = this.model.part(item).rows.map((row) => row.path);
    if (name && !names.includes(name)) this.card.hint(`${name} is drawn here`);
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
    if (follow) camera.glide(view.k < 0.5 ? this.near(part.to, view) : this.shown(part.to, view, view.k));
    this.card.tell(part);
  }

  // Goes to the nearest box in a direction.
  go(dx, dy) {
    const part = this.view.parts.get(this.focused);
    if (!part) return;
    if (this.partAt(document.activeElement) !== part) { this.focus(this.focused); return; }
    const next = nearest(this.parts(), part, dx, dy);
    if (next) this.focus(next.key);
  }

  act() {
    const part = this.view.parts.get(this.focused);
    this.hovered = false;
    if (part?.group) this.toggle(-1 - part.item);
  }

  foldAround() {
    const part = this.view.parts.get(this.focused);
    if (!part) return;
    const group = isFrame(part) ? -1 - part.item : this.model.part(part.item).parent;
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

  introduce() {
    this.head();
    this.legend();
    this.search.entries = entriesOf(this.model);
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
    $('key').replaceChildren(picture);
  }

  // --- the keyboard and the buttons --------------------------------------------------------------------------------

  listen() {
    const { camera } = this.view;
    this.stage.addEventListener('focusin', (event) => {
      const part = this.partAt(event.target);
      if (part && part.key !== this.focused) this.focus(part.key, !this.pointer.down.size); // A press moves nothing.
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
