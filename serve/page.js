// The page: a text beside its picture. The server has the text, this window edits it, and what the server says is shown.

import { Editor } from './editor.js';
import { difference, short, whole } from './words.js';
import { $, make, marked, markedLine, post, Refusal } from './parts.js';

class Page {
  constructor() {
    const start = JSON.parse($('start').textContent);
    this.file = { dirty: false, outside: '' };
    this.figures = null;
    this.before = null; // The figures of the text that is in the file.
    this.checked = null;
    this.drawing = null;
    this.editor = new Editor($('text'), start, this);
    this.listen();
    this.follow();
  }

  // --- what the server says ----------------------------------------------------------------------------------------

  follow() {
    const events = new EventSource('events'), on = (subject, does) => {
      events.addEventListener(subject, (event) => does(JSON.parse(event.data)));
    };
    on('text', (word) => this.editor.told(word));
    on('file', (word) => this.fileIs(word));
    on('checked', (word) => this.checkedIs(word));
    on('figures', (word) => this.figuresAre(word));
    on('picture', (word) => this.draw(word));
    on('fault', (word) => this.say(`archc failed on this text: ${word.text}`));
    events.onerror = () => this.banner('lost', 'archc serve has ended, or cannot be reached. The text stays here.');
    events.onopen = () => { this.banner('lost'); this.editor.flush(); };
  }

  fileIs(word) {
    this.file = word;
    const { name, dirty, shipped, outside } = word;
    $('name').textContent = name;
    $('state').textContent = shipped ? 'ships with archc: edits cannot be saved' : dirty ? 'not saved' : 'saved';
    $('state').className = shipped ? 'shipped' : dirty ? 'dirty' : '';
    $('save').disabled = shipped || !dirty;
    $('save').title = shipped ? 'What ships with archc is not written over' : 'Save  ( Ctrl-S )';
    document.title = `${dirty ? '• ' : ''}${name} · archc`;
    const keep = ['Keep this text', () => post('keep', {})], load = ['Load the file', () => post('load', {})];
    const why = {
      changed: [`${name} has been changed by another program, and this text has edits of its own.`, load, keep],
      gone: [`${name} is not there any more.`, ['Keep this text', () => post('keep', {})]],
      unreadable: [`What stands in ${name} now is no text.`, keep],
    }[outside];
    this.banner('outside', ...(why ?? []));
  }

  checkedIs(word) {
    this.checked = word;
    this.editor.mark();
    const wrong = word.diagnostics.filter(({ severity }) => severity === 'error').length;
    const warned = word.diagnostics.length - wrong;
    const counts = [[wrong, 'error'], [warned, 'warning']].filter(([n]) => n);
    const texts = counts.map(([n, what]) => `${n} ${what}${n > 1 ? 's' : ''}`);
    $('summary').textContent = texts.join(', ') || 'nothing wrong';
    $('problems').className = wrong ? 'wrong' : warned ? 'warned' : 'fine';
    $('found').replaceChildren(...word.diagnostics.map((found) => this.problem(found)));
    const options = word.arches.map(({ name, needs }) => {
      const option = make('option', { value: name }, needs.length ? `${name}: needs ${needs.join(' and ')}` : name);
      option.disabled = needs.length > 0;
      return option;
    });
    $('arches').replaceChildren(...options);
    $('arches').value = word.name ?? '';
    $('which').hidden = word.arches.length < 2;
    this.lasting(word.drawable ? this.drawing?.problem ?? '' : this.whyNot(word, wrong));
    document.body.classList.toggle('empty', !this.drawing);
  }

  // Why the text has no picture.
  whyNot({ name, arches }, wrong) {
    if (wrong) return `The text has errors: ${this.drawing ? 'this is the last picture without' : 'there is nothing to draw yet'}`;
    const needs = arches.find((arch) => arch.name === name)?.needs ?? [];
    return needs.length ? `${name} needs ${needs.join(' and ')}` : 'The text has no architecture to draw';
  }

  problem(found) {
    const line = make('button', { class: 'line', title: 'Go there' },
      make('b', { class: found.severity }, found.code), make('span', {}, ...markedLine(found.message)),
      make('i', {}, `line ${found.line}`));
    line.addEventListener('click', () => this.editor.go(found.from, found.to));
    return make('li', {}, line, ...this.editor.details(found));
  }

  figuresAre(word) {
    this.figures = word;
    if (!this.file.dirty) this.before = word;
    this.showFigures();
  }

  showFigures() {
    const { title, totals, layers, shape, legal, training, lacks } = this.figures;
    const before = this.before?.name === this.figures.name ? this.before : null;
    const cost = (name, value, old, exact = true) => [
      make('dt', {}, name),
      make('dd', { title: whole.format(value) }, exact ? whole.format(value) : short(value),
        make('small', {}, old === undefined ? '' : difference(value, old))),
    ];
    const then = before?.totals ?? {};
    $('costs').replaceChildren(...[
      cost('parameters', totals.parameters, then.parameters),
      cost(`multiply-adds${lacks ? ` ${lacks}` : ''}`, totals.multiply_adds, then.multiply_adds, false),
      cost('depth', totals.depth, then.depth),
      cost('layers', layers, before?.layers),
    ].map((pair) => make('div', {}, ...pair)));
    const fact = (name, ...values) => make('div', {}, make('dt', {}, name), ...values.map((v) => make('dd', {}, v)));
    const sizes = [...(legal.length ? legal : ['any size']), ...training];
    $('takes').replaceChildren(fact('architecture', title), fact('shape', shape), fact('legal sizes', ...sizes));
  }

  // --- the picture -------------------------------------------------------------------------------------------------

  get inner() { return $('picture').contentWindow?.picture; }

  draw(word) {
    this.drawing = word;
    if (!this.inner) return; // It is shown when the frame is there.
    this.lasting(word.problem ?? '');
    if (!word.problem) this.inner.show(word);
    document.body.classList.remove('empty');
  }

  framed() {
    const { contentWindow, contentDocument } = $('picture');
    if (!contentWindow?.picture) return;
    contentWindow.picture.chosen = (file, line) => { if (file === this.file.name) this.editor.point(line); };
    contentDocument.addEventListener('keydown', (event) => this.key(event));
    const { theme } = document.documentElement.dataset;
    if (theme) contentDocument.documentElement.dataset.theme = theme;
    if (this.drawing) this.draw(this.drawing);
    if (this.checked) this.checkedIs(this.checked);
  }

  lasting(text) {
    $('last').textContent = text;
    $('last').hidden = !text;
    $('drawn').classList.toggle('old', Boolean(text));
  }

  async cursor(version, at) {
    const { keys } = (await post('boxes', { version, at })) ?? {};
    if (keys && this.inner && this.drawing && !this.drawing.problem) this.inner.mean(keys);
  }

  // --- what somebody does ------------------------------------------------------------------------------------------

  listen() {
    $('save').addEventListener('click', () => this.save());
    $('layout').addEventListener('click', () => this.editor.layOut());
    $('theme').addEventListener('click', () => this.theme());
    $('arches').addEventListener('change', ({ target }) => post('choose', { name: target.value }));
    $('picture').addEventListener('load', () => this.framed());
    document.addEventListener('keydown', (event) => this.key(event));
    this.split();
    this.framed();
  }

  key(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== 's') return;
    event.preventDefault();
    this.save();
  }

  async save() {
    if (this.file.shipped) { this.say(`${this.file.name} ships with archc and is not written over.`); return; }
    try {
      const version = await this.editor.flush();
      if (version === null) return;
      if (await post('save', { version })) this.before = this.figures;
      if (this.figures) this.showFigures();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.say(error.message);
    }
  }

  theme() {
    const dark = matchMedia('(prefers-color-scheme: dark)').matches, roots = [document, $('picture').contentDocument];
    const next = (document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light')) === 'dark' ? 'light' : 'dark';
    for (const one of roots) if (one) one.documentElement.dataset.theme = next;
  }

  split() {
    const splitter = $('splitter'), set = (share) => {
      document.documentElement.style.setProperty('--left', `${Math.max(15, Math.min(85, share))}%`);
    };
    const share = () => 100 * splitter.getBoundingClientRect().x / innerWidth;
    splitter.addEventListener('pointerdown', (event) => {
      splitter.setPointerCapture(event.pointerId);
      document.body.classList.add('splitting');
    });
    splitter.addEventListener('pointermove', (event) => {
      if (splitter.hasPointerCapture(event.pointerId)) set(100 * event.clientX / innerWidth);
    });
    splitter.addEventListener('lostpointercapture', () => document.body.classList.remove('splitting'));
    splitter.addEventListener('keydown', (event) => {
      const by = { ArrowLeft: -3, ArrowRight: 3 }[event.key];
      if (by) set(share() + by);
    });
  }

  // --- words -------------------------------------------------------------------------------------------------------

  // Shows a line above the text, with what can be done; without a text takes it away.
  banner(id, text, ...actions) {
    document.getElementById(`banner-${id}`)?.remove();
    if (!text) return;
    const buttons = actions.map(([name, does]) => {
      const button = make('button', {}, name);
      button.addEventListener('click', () => does().catch((error) => this.say(error.message)));
      return button;
    });
    $('banners').append(make('p', { id: `banner-${id}`, role: 'alert' }, make('span', {}, text), ...buttons));
  }

  say(text) {
    $('toast').replaceChildren(...marked(text));
    $('toast').hidden = false;
    clearTimeout(this.saying);
    this.saying = setTimeout(() => { $('toast').hidden = true; }, 6000);
  }
}

new Page();
