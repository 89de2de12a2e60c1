// Prints the licences of what the bundle is made of, each text once, under the packages that it is of.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const found = new Map();
for (const [path, { version, dev }] of Object.entries(packages)) {
  if (!path || dev) continue;
  const file = readdirSync(path).find((name) => /^licen[cs]e/i.test(name));
  const text = readFileSync(join(path, file), 'utf8').trim();
  found.set(text, [...(found.get(text) ?? []), `${path.replace('node_modules/', '')} ${version}`]);
}
const texts = [...found].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
process.stdout.write(`codemirror.js is made of the packages below.\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`);
