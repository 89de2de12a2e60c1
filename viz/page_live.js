// A page inside another one, which gives it the data of one architecture after the other, and asks it for the boxes of
// a place of the text. It says of which line of which file the part is that somebody chooses.

document.documentElement.classList.add('live');
let page = null, fit = null; // And the view in which all of it fits the window.

window.picture = {
  chosen: null, // Called with the file and the line of what is chosen.

  show(data) {
    if (page) page.take(new Model(data));
    else {
      page = new Page(new Model(data));
      delete page.keys.t; // Light or dark is what the page around is.
    }
    fit = page.fitted();
  },

  // Marks some parts, or the folded ones around them.
  mean(keys) {
    const { model, folding, view } = page, wanted = new Set();
    for (const key of keys) {
      const item = key[0] === 'g' ? -1 - Number(key.slice(1)) : Number(key.slice(1));
      if (!model.part(item)) continue;
      const folded = model.around(item).findLast((group) => !folding.open[group]);
      wanted.add(folded === undefined ? key : `g${folded}`);
    }
    for (const [key, part] of view.parts) part.element.classList.toggle('meant', wanted.has(key));
  },
};

document.addEventListener('click', (event) => {
  const part = page?.partAt(event.target), line = part && page.model.part(part.item).rows[0].line;
  if (line !== undefined && page.model.lines[line]) window.picture.chosen?.(...page.model.lines[line].slice(0, 2));
});

// What filled the window does so in one of another size.
window.addEventListener('resize', () => {
  if (!page) return;
  const filled = alike(page.view.camera.target, fit);
  fit = page.fitted();
  if (filled) { page.view.camera.stop(); page.view.camera.set(fit); }
});
