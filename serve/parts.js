// Elements, and requests to the server.

import { blocks, inline } from './words.js';

export const $ = (id) => document.getElementById(id);

export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const shown = (pieces) => pieces.map(([is, text]) => (is ? make(is === 'bold' ? 'b' : 'code', {}, text) : text));

// A line of Markdown, and a text of it, as elements.
export const markedLine = (text) => shown(inline(text));

export function marked(text) {
  return blocks(text).map(({ is, text: code, pieces }) => {
    if (is === 'rule') return make('hr');
    if (is === 'code') return make('pre', {}, code);
    return make('p', is === 'item' ? { class: 'item' } : {}, ...shown(pieces));
  });
}

// Why the server does not do something.
export class Refusal extends Error {}

// What the server answers; null where the question is about a text that is not the latest. Throws `Refusal`.
export async function post(what, fields) {
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(fields) };
  const response = await fetch(what, request);
  if (response.status === 409) return null;
  if (response.status === 422) {
    const [{ code, message, hints }] = (await response.json()).diagnostics;
    throw new Refusal([`**${code}** ${message}`, ...hints].join('\n\n'));
  }
  if (!response.ok) throw new Refusal((await response.text()).slice(0, 300));
  return response.json();
}
