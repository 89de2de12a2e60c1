// The search box: the nearest names while one types; Enter or a click unfolds what is around the hit and goes there.
class Search {
  constructor(page) {
    Object.assign(this, { page, box: $('search'), list: $('hits'), hits: [], at: 0, entries: this.index(page.model) });
    this.box.addEventListener('input', () => this.look());
    this.box.addEventListener('focus', () => { this.box.select(); this.look(); });
    this.box.addEventListener('blur', () => this.close());
    this.box.addEventListener('keydown', (event) => this.key(event));
    this.list.addEventListener('pointerdown', (event) => {
      const option = event.target.closest('[role=option]');
      event.preventDefault();
      if (option) this.go(Number(option.dataset.place));
    });
  }

  // All names: those of layers and scopes that are drawn for others too, and what boxes say.
  index(model) {
    const entries = [];
    const add = (item, name, text, kind) => {
      entries.push({ item, name, text, kind, words: name.toLowerCase(), said: text.toLowerCase() });
    };
    model.groups.forEach((group, place) => {
      const text = [group.title, group.note].filter(Boolean).join(' · ');
      const named = (name) => (name.endsWith(group.title) ? group.note || 'scope' : text);
      const names = group.names.length ? group.names : [group.rows[0].path ?? ''];
      names.forEach((name) => add(-1 - place, name, name ? named(name) : text, 'fold'));
    });
    model.boxes.forEach((box, place) => {
      const known = new Map(box.rows.map((row) => [row.path, row]));
      const names = new Set([...box.names, ...box.rows.map((row) => row.path ?? '')]);
      if (names.size > 1) names.delete('');
      names.forEach((name) => {
        const row = known.get(name) ?? box.rows[0];
        add(place, name, row.text, row.kind);
      });
    });
    return entries;
  }

  // The less the better; Infinity where it does not fit.
  static cost({ words, said, item }, query) {
    const depth = words.length / 1000 + (item < 0 ? 0 : 0.01);
    if (words === query) return depth;
    if (words.startsWith(query)) return 1 + depth;
    if (`.${words}`.includes(`.${query}`)) return 2 + depth;
    if (words.includes(query)) return 3 + depth;
    if (said.includes(query)) return 4 + depth;
    let place = -1, spread = 0;
    for (const letter of query) {
      const next = words.indexOf(letter, place + 1);
      if (next < 0) return Infinity;
      spread += next - place - 1;
      place = next;
    }
    return 10 + spread + depth;
  }

  look() {
    const query = this.box.value.trim().toLowerCase();
    const costs = query ? this.entries.map((entry) => [Search.cost(entry, query), entry]) : [];
    const ranked = costs.filter(([cost]) => cost < Infinity).sort(([a], [b]) => a - b);
    this.hits = ranked.slice(0, 9).map(([, entry]) => entry);
    this.at = 0;
    this.list.replaceChildren(...this.hits.map((hit, place) => this.option(hit, place)));
    if (!this.hits.length) this.list.append(element('li', { class: 'none' }, 'no name like that'));
    this.list.hidden = !query;
    this.box.setAttribute('aria-expanded', Boolean(query));
    this.mark();
  }

  option(hit, place) {
    const texts = [element('b', {}, hit.name || hit.text), element('span', {}, hit.name ? hit.text : '')];
    return element('li', { role: 'option', id: `hit${place}`, 'data-place': place }, swatch(hit.kind), ...texts);
  }

  mark() {
    [...this.list.children].forEach((option, place) => option.setAttribute('aria-selected', place === this.at));
    if (this.hits.length) this.box.setAttribute('aria-activedescendant', `hit${this.at}`);
    else this.box.removeAttribute('aria-activedescendant');
  }

  key(event) {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      this.at = Math.max(0, Math.min(this.hits.length - 1, this.at + (event.key === 'ArrowDown' ? 1 : -1)));
      this.mark();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      this.go(this.at);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      this.box.blur();
    }
  }

  go(place) {
    const hit = this.hits[place];
    if (!hit) return;
    this.close();
    this.box.blur();
    this.page.reveal(hit.item, hit.name);
    this.page.say(hit.name || hit.text);
  }

  close() {
    this.list.hidden = true;
    this.box.setAttribute('aria-expanded', 'false');
  }
}
