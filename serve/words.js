// What the page computes of texts and numbers. Nothing here asks for a document.

export const whole = new Intl.NumberFormat('en-US');
const UNITS = [[1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];

export function short(count) {
  for (const [size, unit] of UNITS) {
    const value = Math.abs(count) / size;
    if (value >= 1) return `${count < 0 ? '−' : ''}${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
  }
  return String(count).replace('-', '−');
}

// How a number differs from the one before, as a text; empty where it does not.
export function difference(now, before) {
  const by = now - before;
  return by ? `${by > 0 ? '+' : '−'}${whole.format(Math.abs(by))}` : '';
}

// The one change that makes a text of another: what stays in front of it and behind it is left alone.
export function change(before, after) {
  const most = Math.min(before.length, after.length);
  let from = 0, end = 0;
  while (from < most && before[from] === after[from]) from += 1;
  while (end < most - from && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  return { from, to: before.length - end, insert: after.slice(from, after.length - end) };
}

// Markdown as archc writes it, in blocks: `rule`, `code` with a text, and `text`, `item` with pieces of a line, each of
// which is a text, and `code` or `bold` or neither.
export function blocks(markdown) {
  const found = [];
  for (const [n, part] of markdown.split(/^```\w*\n([\s\S]*?)\n?```$/m).entries()) {
    if (n % 2) { found.push({ is: 'code', text: part }); continue; }
    for (const paragraph of part.split(/\n{2,}/).map((text) => text.trim()).filter(Boolean)) {
      if (/^-{3,}$/.test(paragraph)) { found.push({ is: 'rule' }); continue; }
      const lines = paragraph.split(/\n(?=- )/);
      for (const line of lines) {
        const item = line.startsWith('- ');
        found.push({ is: item ? 'item' : 'text', pieces: inline(item ? line.slice(2) : line) });
      }
    }
  }
  return found;
}

export function inline(line) {
  const texts = line.replace(/\s*\n\s*/g, ' ').split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean);
  return texts.map((text) => {
    if (text.startsWith('`') && text.length > 2) return ['code', text.slice(1, -1)];
    return text.startsWith('**') && text.length > 4 ? ['bold', text.slice(2, -2)] : ['', text];
  });
}

// A snippet of the language server's form as the editor's: `$0` and `$1` are fields without a name.
export const snippet = (text) => text.replace(/\$(\d)/g, (_, n) => (n === '0' ? '${}' : `\${${n}}`));
