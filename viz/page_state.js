// What a page remembers, and how it changes: which groups are open, and from which part the keyboard goes to which.

class Folding {
  constructor(model) {
    this.model = model;
    this.open = model.groups.map((group) => Boolean(group.open));
  }

  // Folds or unfolds a group, in place, and says whether it is open now. What it holds is found again as it was left.
  toggle(group) {
    this.open[group] = !this.open[group];
    return this.open[group];
  }

  // Unfolds the outermost level of what is folded, or folds the innermost of what is not; gives how many groups change.
  level(deeper) {
    const { groups } = this.model, shown = this.model.shown(this.open).groups;
    const stands = (group, n) => (deeper ? group.parent < 0 || shown[group.parent] : shown[n]);
    const found = groups.map((_, n) => n).filter((n) => this.open[n] !== deeper && stands(groups[n], n));
    const levels = found.map((n) => groups[n].level), goal = deeper ? Math.min(...levels) : Math.max(...levels);
    const changed = found.filter((n) => groups[n].level === goal);
    changed.forEach((n) => { this.open[n] = deeper; });
    return changed.length;
  }

  // Unfolds what is around an item, and says whether it was hidden.
  reveal(item) {
    const around = this.model.around(item), hidden = around.some((group) => !this.open[group]);
    around.forEach((group) => { this.open[group] = true; });
    return hidden;
  }
}

// --- where the keyboard goes -------------------------------------------------------------------------------------
// A part has a key, its item, its spot `to`, and whether it is a group and open.

const isFrame = (part) => part.group && part.open;

// The key of the part at the top of the picture, at which the keyboard begins.
function highest(parts) {
  const boxes = parts.filter((part) => !isFrame(part));
  return boxes.reduce((best, part) => (best && best.to.y <= part.to.y ? best : part), null)?.key ?? null;
}

// The nearest box to a part in a direction, or null.
function nearest(parts, from, dx, dy) {
  let best = null, least = Infinity;
  for (const part of parts) {
    if (part === from || isFrame(part)) continue;
    const far = dy ? below(from.to, part.to, dy, isFrame(from)) : beside(from.to, part.to, dx);
    if (far < least) [best, least] = [part, far];
  }
  return best;
}

// How far one spot is below another, or above it; what is to the side counts more. Infinity where it is not.
function below(from, spot, dy, inside) {
  const ahead = dy > 0 ? spot.y - (inside ? from.y : bottom(from)) : from.y - bottom(spot);
  return ahead < -1 ? Infinity : ahead + 1.5 * Math.abs(middle(spot) - middle(from));
}

function beside(from, spot, dx) {
  const ahead = dx * (middle(spot) - middle(from));
  return ahead < 4 ? Infinity : ahead + 6 * Math.max(0, spot.y - bottom(from), from.y - bottom(spot));
}

// Which row of a box is at a height in it; -1 where there is but one.
function rowAt(rows, height) {
  if (rows.length < 2) return -1;
  let top = 0;
  const found = rows.findIndex((row) => { top += row.high; return height < top; });
  return found < 0 ? rows.length - 1 : found;
}
