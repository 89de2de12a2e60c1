// What the pointer does on a page: zooms with the wheel or two fingers, moves the picture, tells, folds and unfolds.

const SLIP = 4; // So far a pointer moves and still clicks.

class Pointer {
  constructor(page) {
    const { stage } = page;
    Object.assign(this, { page, stage, camera: page.view.camera, down: new Map(), moved: 0, apart: 0 });
    stage.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    stage.addEventListener('pointerdown', (event) => this.press(event));
    stage.addEventListener('pointermove', (event) => this.move(event));
    for (const name of ['pointerup', 'pointercancel']) stage.addEventListener(name, (event) => this.lift(event));
    stage.addEventListener('pointerleave', () => { if (!this.down.size) page.leave(); });
    stage.addEventListener('click', (event) => { if (this.moved < SLIP) this.click(event); });
  }

  wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 300 : 1;
    const factor = Math.exp(-unit * event.deltaY * (event.ctrlKey ? 0.01 : 0.0022));
    if (event.shiftKey) this.camera.pan(-unit * (event.deltaX || event.deltaY), 0);
    else this.camera.zoom(factor, event.clientX, event.clientY);
  }

  press(event) {
    if (event.button !== 0) return;
    this.down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    Object.assign(this, { moved: 0, apart: 0 });
  }

  move(event) {
    const last = this.down.get(event.pointerId);
    if (!last) { this.hover(event); return; }
    const dx = event.clientX - last.x, dy = event.clientY - last.y;
    this.moved += Math.abs(dx) + Math.abs(dy);
    this.down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.moved < SLIP) return;
    if (!this.stage.hasPointerCapture(event.pointerId)) this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add('dragged');
    const points = [...this.down.values()];
    this.camera.pan(dx / points.length, dy / points.length);
    if (points.length > 1) this.pinch(points);
  }

  pinch([a, b]) {
    const apart = Math.hypot(a.x - b.x, a.y - b.y);
    if (this.apart && apart) this.camera.zoom(apart / this.apart, (a.x + b.x) / 2, (a.y + b.y) / 2, true);
    this.apart = apart;
  }

  lift(event) {
    this.down.delete(event.pointerId);
    this.apart = 0;
    this.stage.classList.remove('dragged');
  }

  hover(event) {
    const { page } = this, part = page.partAt(event.target);
    if (!part) { page.leave(); return; }
    page.hovered = true;
    page.view.light(part.item);
    page.card.tell(part, this.rowUnder(part, event.clientY), { x: event.clientX, y: event.clientY });
  }

  rowUnder(part, y) {
    const height = (y - this.camera.y) / this.camera.k - part.to.y;
    return part.group ? -1 : rowAt(this.page.model.part(part.item).rows, height);
  }

  click(event) {
    const { page } = this, part = page.partAt(event.target);
    if (!part) { page.release(); return; }
    if (part.group && (!part.open || event.target.closest('.heading, .knob'))) page.toggle(-1 - part.item);
    else page.focus(part.key, false);
  }
}
