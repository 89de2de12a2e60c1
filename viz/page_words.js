// What a page says of a part, as texts.

const whole = new Intl.NumberFormat('en-US');
const UNITS = [[1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];

function short(count) {
  for (const [size, unit] of UNITS) {
    const value = count / size;
    if (value >= 1) return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
  }
  return String(count);
}

// A part in one line, for those who listen.
function labelOf(what) {
  const texts = what.title ? [what.title, what.note] : what.rows.map((row) => row.text);
  const [{ path, gives }] = what.rows, [parameters, macs] = what.total;
  const costs = `${whole.format(parameters)} parameters, ${whole.format(macs)} multiply-adds`;
  const facts = [texts.filter(Boolean).join(', '), path, gives, parameters || macs ? costs : ''];
  return facts.filter(Boolean).join('; ');
}

// The figures of rows together, as names and values. With `all` of a box they are followed by those of all that it
// counts for.
function factsOf(rows, what, all) {
  const facts = [], first = rows[0], last = rows[rows.length - 1];
  const add = (name, value) => { if (value) facts.push([name, value]); };
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
  return facts;
}

// The lines of source of some rows, each once: where it is, and its text in pieces, with whether each is marked, which
// all is that the rows mean.
function sourcesOf(rows, lines) {
  const found = new Map();
  for (const { line } of rows) {
    if (line === undefined) continue;
    const [file, place, before, meant, after] = lines[line], text = before + meant + after, key = `${file}:${place}`;
    const known = found.get(`${key} ${text}`) ?? { key, text, marks: [] };
    known.marks.push([before.length, before.length + meant.length]);
    found.set(`${key} ${text}`, known);
  }
  return [...found.values()].map(({ key, text, marks }) => {
    const pieces = [];
    let place = 0;
    for (const [start, end] of marks.sort((a, b) => a[0] - b[0])) {
      if (start < place) continue;
      pieces.push([text.slice(place, start), false], [text.slice(start, end), true]);
      place = end;
    }
    return { key, pieces: [...pieces, [text.slice(place), false]].filter(([piece]) => piece) };
  });
}
