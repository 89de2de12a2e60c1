// `.arch` in colours: runs the rules that archc's own highlighter has, line by line.

// A tokenizer as the editor wants it. `colouring` has the rules of each context, the first of which is that of a file.
export function tokenizer(colouring) {
  const contexts = Object.fromEntries(Object.entries(colouring).map(([name, rules]) => [
    name, rules.map((rule) => ({ ...rule, regex: new RegExp(rule.pattern, 'dmy') })),
  ]));
  const [file] = Object.keys(contexts);
  // What closes where a line ends does so before the next one begins.
  const ends = new Set(Object.keys(contexts).filter((name) => contexts[name].some(({ closes, regex }) => {
    regex.lastIndex = 0;
    return closes && regex.test('');
  })));

  function match(line, at, context) {
    for (const rule of contexts[context]) {
      rule.regex.lastIndex = at;
      const found = rule.regex.exec(line);
      if (found && (found[0] || rule.closes)) return { rule, found };
    }
    return null;
  }

  // The pieces of a match: where each ends, and its kind. What is in no group is of none.
  function pieces({ rule, found }, at) {
    if (rule.kinds.length < 2) return [[at + found[0].length, rule.kinds[0]]];
    const groups = rule.kinds.map((kind, n) => [found.indices[n + 1], kind]).filter(([place]) => place);
    return [...groups.flatMap(([[start, end], kind]) => [[start, ''], [end, kind]]), [at + found[0].length, '']];
  }

  return {
    startState: () => ({ around: [file], pieces: [] }),
    copyState: ({ around, pieces: left }) => ({ around: [...around], pieces: [...left] }),
    token(stream, state) {
      if (stream.sol()) {
        state.pieces = [];
        while (ends.has(state.around.at(-1))) state.around.pop();
      }
      while (!(state.pieces = state.pieces.filter(([end]) => end > stream.pos)).length) {
        const known = match(stream.string, stream.pos, state.around.at(-1));
        if (!known) { stream.next(); return null; }
        state.pieces = pieces(known, stream.pos);
        if (known.rule.closes && state.around.length > 1) state.around.pop();
        if (known.rule.opens) state.around.push(known.rule.opens);
        if (!known.found[0] && stream.eol()) return null;
      }
      const [end, kind] = state.pieces.shift();
      stream.pos = end;
      return kind || null;
    },
  };
}
