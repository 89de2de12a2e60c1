// The names of an architecture, and which of them are nearest to what is typed.

// All names: those of layers and scopes that are drawn for others too, and what boxes say.
function entriesOf(model) {
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

// How far an entry is from a query in lower case; Infinity where it does not fit.
function distance({ words, said, item }, query) {
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

// The nearest entries to what is typed, the nearest first.
function nearestNames(entries, typed, most = 9) {
  const query = typed.trim().toLowerCase();
  const found = query ? entries.map((entry) => [distance(entry, query), entry]) : [];
  const ranked = found.filter(([far]) => far < Infinity).sort(([a], [b]) => a - b);
  return ranked.slice(0, most).map(([, entry]) => entry);
}

// What a part is called, by which it is found again in another model.
function nameOf(model, item) {
  const part = model.part(item), [row] = part.rows, name = part.names[0] || row.path || part.title || row.text;
  return `${item < 0 ? `frame ${part.level}` : 'box'} ${name}`;
}
