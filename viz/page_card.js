// The card: what a page tells of the part under the pointer, or of the one that has the focus.

const $ = (id) => document.getElementById(id);
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

  facts(rows, what, all) {
    const facts = factsOf(rows, what, all);
    return element('dl', {}, ...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
  }

  sources(rows) {
    return sourcesOf(rows, this.model.lines).map(({ key, pieces }) => {
      const code = element('code', {}, ...pieces.map(([text, marked]) => (marked ? element('mark', {}, text) : text)));
      return element('figure', {}, element('figcaption', {}, key), code);
    });
  }

  place() {
    const { box, part, camera } = this;
    if (!part) return;
    const card = { w: box.offsetWidth, h: box.offsetHeight };
    const [across, down] = cardPlace(part.spot, card, camera, isFrame(part) ? this.pointer : null);
    box.style.transform = `translate(${across}px, ${down}px)`;
  }
}
