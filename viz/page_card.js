// The card: what a page tells of the part under the pointer, or of the one that has the focus.

const $ = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat('en-US');
const UNITS = [[1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];

function short(count) {
  for (const [size, unit] of UNITS) {
    const value = count / size;
    if (value >= 1) return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
  }
  return String(count);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const swatch = (kind) => element('i', { class: `swatch ${kind}` });

class Card {
  constructor(model, camera) {
    Object.assign(this, { model, camera, box: $('card'), part: null, said: null });
  }

  // Tells of a part, of one row of it where that is meant; of nothing without a part. `pointer`: where that is.
  tell(part, row = -1, pointer = null) {
    this.pointer = pointer;
    const said = part ? `${part.key} ${part.open} ${row}` : null;
    if (said === this.said) return;
    Object.assign(this, { part, said });
    this.box.hidden = !part;
    if (!part) return;
    const what = this.model.part(part.item), rows = row >= 0 ? [what.rows[row]] : what.rows;
    this.box.replaceChildren(...this.title(part, what));
    rows.forEach((found) => this.box.append(this.layer(found, what, rows.length > 1)));
    this.box.append(this.facts(rows, what, row < 0), ...this.sources(rows));
    this.place();
  }

  // Adds a line at the top.
  hint(text) {
    this.box.prepend(element('p', { class: 'hint' }, text));
    this.place();
  }

  title(part, what) {
    const made = [];
    if (what.title) made.push(element('h2', {}, [what.title, what.note].filter(Boolean).join(' · ')));
    if (part.group) {
      made.push(element('p', { class: 'hint' }, part.open ? 'click its heading to fold' : 'click to unfold'));
    }
    return made;
  }

  // A layer of a box: its colour, what it is, its path, and among others its parameters.
  layer(row, what, many) {
    const line = element('h3');
    if (!what.title) line.append(swatch(row.kind), element('b', {}, row.text));
    if (row.path && row.path !== what.title) line.append(element('span', { class: 'path' }, row.path));
    if (many && row.parameters) line.append(element('span', { class: 'costs' }, short(row.parameters)));
    return line;
  }

  // The figures of rows together. With `all` of a box they are followed by those of all that it counts for.
  facts(rows, what, all) {
    const list = element('dl'), first = rows[0], last = rows[rows.length - 1];
    const add = (name, value) => { if (value) list.append(element('dt', {}, name), element('dd', {}, value)); };
    const sum = (name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);
    const exact = (count) => `${whole.format(count)}${count >= 1000 ? ` (${short(count)})` : ''}`;
    const gives = last.gives ?? '', takes = first.takes ?? '';
    add('shape', takes && gives && takes !== gives ? `${takes} → ${gives}` : gives || takes);
    if (sum('parameters') || sum('macs')) {
      add('parameters', exact(sum('parameters')));
      add('multiply-adds', exact(sum('macs')));
    }
    add('layers', first.layers ? whole.format(first.layers) : '');
    if (what.times > 1) {
      const [parameters, macs] = what.total;
      add('counts', `${whole.format(what.times)} times`);
      if (all && (parameters || macs)) add('in all', `${short(parameters)} · ${short(macs)}`);
    }
    add('receptive field', last.sees && what.times > 1 ? `${last.sees}, in the first of them` : last.sees);
    add('note', [...new Set(rows.map((row) => row.note).filter(Boolean))].join('; '));
    return list;
  }

  // The lines of source of some rows, each once, with all that is meant in it marked.
  sources(rows) {
    const lines = new Map();
    for (const { line } of rows) {
      if (line === undefined) continue;
      const [file, place, before, meant, after] = this.model.lines[line], text = before + meant + after;
      const key = `${file}:${place}`, known = lines.get(`${key} ${text}`) ?? { key, text, marks: [] };
      known.marks.push([before.length, before.length + meant.length]);
      lines.set(`${key} ${text}`, known);
    }
    return [...lines.values()].map(({ key, text, marks }) => {
      const code = element('code');
      let place = 0;
      for (const [start, end] of marks.sort((a, b) => a[0] - b[0])) {
        if (start < place) continue;
        code.append(text.slice(place, start), element('mark', {}, text.slice(start, end)));
        place = end;
      }
      code.append(text.slice(place));
      return element('figure', {}, element('figcaption', {}, key), code);
    });
  }

  // Puts the card to the right of what it tells of, or where there is room; for a frame beside the pointer.
  place() {
    const { box, part, pointer } = this;
    if (!part) return;
    const { x, y, k, size } = this.camera, { spot } = part, gap = 14;
    const left = x + k * spot.x, end = x + k * right(spot), width = box.offsetWidth, height = box.offsetHeight;
    let across = end + gap, down = y + k * spot.y;
    if (across + width > size.w - 8) across = left - gap - width;
    if (across < 8) across = end - width - 8;
    if (pointer && part.group && part.open) [across, down] = [pointer.x + 18, pointer.y + 12];
    const within = (value, most) => Math.round(Math.max(8, Math.min(value, most - 8)));
    box.style.transform = `translate(${within(across, size.w - width)}px, ${within(down, size.h - height)}px)`;
  }
}
