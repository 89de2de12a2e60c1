// The search box: the nearest names while one types; Enter or a click unfolds what is around the hit and goes there.
class Search {
  constructor(page) {
    Object.assign(this, { page, box: $('search'), list: $('hits'), hits: [], at: 0, entries: [] });
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

  look() {
    const typed = Boolean(this.box.value.trim());
    this.hits = nearestNames(this.entries, this.box.value);
    this.at = 0;
    this.list.replaceChildren(...this.hits.map((hit, place) => this.option(hit, place)));
    if (!this.hits.length) this.list.append(element('li', { class: 'none' }, 'no name like that'));
    this.list.hidden = !typed;
    this.box.setAttribute('aria-expanded', typed);
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
