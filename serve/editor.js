// The text: CodeMirror, with archc's colours, findings, completion and words, and the server's text kept the same.

import * as cm from './codemirror.js';
import { tokenizer } from './arch.js';
import { change, snippet } from './words.js';
import { make, marked, markedLine, post, Refusal } from './parts.js';

const LOOK = 120; // Milliseconds for which the cursor rests before its boxes are asked for.
const { addToHistory, remote } = cm.Transaction;
const me = crypto.randomUUID();
const ITEMS = { layer: 'function', block: 'function', fn: 'function', argument: 'property', word: 'keyword' };
const pointed = cm.StateEffect.define();

const pointing = cm.StateField.define({
  create: () => cm.Decoration.none,
  update(marks, { changes, effects, state }) {
    for (const effect of effects) {
      if (effect.is(pointed)) return cm.Decoration.set([cm.Decoration.line({ class: 'pointed' }).range(effect.value)]);
    }
    return marks.map(changes);
  },
  provide: (field) => cm.EditorView.decorations.from(field),
});

export class Editor {
  constructor(parent, { nonce, colouring }, page) {
    this.page = page;
    this.base = 0; // The number of the server's text that this one is made of.
    this.theirs = null; // The latest text that the server has told.
    this.unsent = false;
    this.sending = null;
    this.torn = false; // Whether this text and the server's have both been edited.
    this.view = new cm.EditorView({ parent, extensions: this.extensions(nonce, colouring) });
    this.view.contentDOM.setAttribute('aria-label', 'Text of the spec');
    this.view.focus();
  }

  extensions(nonce, colouring) {
    const kinds = [...new Set(Object.values(colouring).flat().flatMap((rule) => rule.kinds))].filter(Boolean);
    const tags = Object.fromEntries(kinds.map((kind) => [kind, cm.Tag.define()]));
    const language = cm.StreamLanguage.define({
      name: 'arch', ...tokenizer(colouring), tokenTable: tags, languageData: { commentTokens: { line: '#' } },
    });
    const classes = cm.tagHighlighter(kinds.map((kind) => ({ tag: tags[kind], class: `arch-${kind}` })));
    return [
      cm.EditorView.cspNonce.of(nonce),
      cm.lineNumbers(), cm.lintGutter(), cm.history(), cm.drawSelection(), cm.indentOnInput(), cm.bracketMatching(),
      cm.closeBrackets(), cm.highlightActiveLine(), cm.highlightActiveLineGutter(), cm.highlightSelectionMatches(),
      cm.search({ top: true }), cm.indentUnit.of('  '), language, cm.syntaxHighlighting(classes), pointing,
      cm.autocompletion({ override: [(context) => this.complete(context)] }),
      cm.hoverTooltip((view, at) => this.hover(at), { hideOnChange: true }),
      cm.keymap.of([
        ...cm.closeBracketsKeymap, ...cm.completionKeymap, ...cm.defaultKeymap, ...cm.searchKeymap,
        ...cm.historyKeymap, ...cm.lintKeymap, cm.indentWithTab,
      ]),
      cm.EditorView.updateListener.of((update) => this.updated(update)),
    ];
  }

  get text() { return this.view.state.doc.toString(); }

  // --- the same text here and there ----------------------------------------------------------------------------------

  updated({ docChanged, selectionSet, transactions }) {
    const own = transactions.some((one) => one.docChanged && !one.annotation(remote));
    if (docChanged && own) { this.unsent = true; this.flush(); }
    if (!docChanged && !selectionSet) return;
    clearTimeout(this.looking);
    this.looking = setTimeout(() => this.look(), LOOK);
  }

  // Sends what has been edited, and gives the number of this text; null where it is not the server's.
  async flush() {
    while (this.sending) await this.sending;
    if (!this.unsent || this.torn || !this.base) return this.unsent ? null : this.base;
    this.sending = this.send();
    await this.sending;
    this.mark(); // What the server found may have come before its answer.
    return this.flush();
  }

  async send() {
    this.unsent = false;
    try {
      const cursor = this.view.state.selection.main.head;
      const answer = await post('edit', { text: this.text, base: this.base, by: me, cursor });
      if (answer) this.base = answer.version;
      else this.tear();
    } catch (error) {
      this.unsent = true;
      this.torn = error instanceof Refusal; // Else it is sent when the server is there again.
      if (this.torn) this.page.say(error.message);
    } finally {
      this.sending = null;
    }
  }

  // The server tells its text.
  told(word) {
    this.theirs = word;
    if (word.by === me || word.version <= this.base) return;
    if (this.torn || this.unsent || this.sending) this.tear();
    else this.take();
  }

  take() {
    const { text, version } = this.theirs, annotations = [remote.of(true), addToHistory.of(false)];
    Object.assign(this, { base: version, unsent: false, torn: false });
    if (text !== this.text) this.view.dispatch({ changes: change(this.text, text), annotations });
    this.page.banner('torn');
    this.mark();
  }

  tear() {
    Object.assign(this, { torn: true, unsent: true });
    const keep = async () => {
      Object.assign(this, { torn: false, base: this.theirs.version });
      this.page.banner('torn');
      await this.flush();
    };
    const actions = [['Take that text', async () => this.take()], ['Keep this text', keep]];
    this.page.banner('torn', 'The text has been changed elsewhere while you edited it here.', ...actions);
  }

  // --- what is wrong -----------------------------------------------------------------------------------------------

  mark() {
    if (this.page.checked?.version !== this.base || this.unsent || this.sending) return;
    const { doc } = this.view.state, within = (at) => Math.min(at, doc.length);
    const found = this.page.checked.diagnostics.map((one) => ({
      from: within(one.from),
      to: within(one.to),
      severity: one.severity,
      markClass: `severity-${one.severity}`,
      message: one.message,
      renderMessage: () => make('div', { class: 'told' },
        make('p', {}, make('b', { class: one.severity }, one.code), ' ', ...markedLine(one.message)), ...this.details(one)),
    }));
    this.view.dispatch(cm.setDiagnostics(this.view.state, found));
  }

  // The hints of a finding, what else it points at, and what mends it.
  details(found) {
    const hints = found.hints.map((hint) => make('p', { class: 'hint' }, ...markedLine(hint)));
    const notes = found.notes.map((note) => {
      const at = make('button', { class: 'at', title: 'Go there' }, note.at);
      at.disabled = note.from === undefined;
      at.addEventListener('click', () => this.go(note.from, note.to));
      return make('p', { class: 'note' }, ...markedLine(note.text), ' ', at);
    });
    const { doc } = this.view.state, edits = found.edits.map((edit) => {
      const button = make('button', { class: 'mend' }, ...markedLine(edit.title));
      button.addEventListener('click', () => { if (this.view.state.doc === doc) this.apply([edit]); });
      return button;
    });
    const why = make('button', { class: 'why' }, 'why?');
    why.addEventListener('click', () => this.explain(why, found.code));
    return [...hints, ...notes, make('p', { class: 'acts' }, ...edits, why)];
  }

  async explain(button, name) {
    const { text } = await post('explain', { name });
    button.parentElement.replaceWith(make('div', { class: 'page' }, ...marked(text)));
  }

  apply(edits) {
    const changes = edits.map(({ from, to, text }) => ({ from, to, insert: text }));
    this.view.dispatch({ changes, scrollIntoView: true });
    this.view.focus();
  }

  go(from, to = from) {
    const end = this.view.state.doc.length, anchor = Math.min(from, end), head = Math.min(to, end);
    const effects = cm.EditorView.scrollIntoView(anchor, { y: 'center' });
    this.view.dispatch({ selection: { anchor, head }, effects });
    this.view.focus();
  }

  // Shows a line without going there.
  point(number) {
    const { doc } = this.view.state;
    if (number > doc.lines) return;
    const { from } = doc.line(number);
    this.view.dispatch({ effects: [pointed.of(from), cm.EditorView.scrollIntoView(from, { y: 'center' })] });
  }

  // --- questions ---------------------------------------------------------------------------------------------------

  async ask(what, fields) {
    const version = await this.flush(), { doc } = this.view.state;
    const answer = version ? await post(what, { version, ...fields }) : null;
    return this.view.state.doc === doc ? answer : null;
  }

  async look() {
    const version = await this.flush();
    if (version) this.page.cursor(version, this.view.state.selection.main.head);
  }

  async layOut() {
    const found = await this.ask('layout', {});
    if (found?.edits.length) this.apply(found.edits);
  }

  async hover(at) {
    const found = await this.ask('hover', { at });
    if (!found?.text) return null;
    const create = () => ({ dom: make('div', { class: 'told hover' }, ...marked(found.text)) });
    return { pos: Math.min(found.from, at), end: found.to, above: true, create };
  }

  async complete(context) {
    const { pos, explicit } = context;
    if (!explicit && !context.matchBefore(/[A-Za-z_][\w]*$|[.("=:,]$|> $/)) return null;
    const found = await this.ask('complete', { at: pos });
    if (!found?.items.length || context.aborted) return null;
    const info = (label) => async () => {
      const { text } = (await this.ask('document', { at: pos, label })) ?? {};
      return text ? make('div', { class: 'told' }, ...marked(text)) : null;
    };
    const options = found.items.map(({ label, kind, detail, text, snippet: fields, rank }) => {
      const option = { label, detail, type: ITEMS[kind] ?? 'variable', boost: 10 - 3 * rank, info: info(label) };
      return fields ? cm.snippetCompletion(snippet(text), option) : { ...option, apply: text };
    });
    return { from: found.items[0].from, to: pos, options, validFor: /^\w*$/ };
  }
}
