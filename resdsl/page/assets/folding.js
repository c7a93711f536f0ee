// Which scopes are open. What nobody touched is as `overview` leaves it.

const SMALL = 36; // leaves: a network of no more is shown whole
const TINY = 4; // leaves: a labelled group of so few opens with what is around it
const MOST_OPENED = 20000; // leaves: "unfold all" stops there

class Folding {
  constructor(network) {
    this.network = network;
    this.open = new Set();
    this.overview();
  }

  isOpen(item) {
    return item.kind === "join" || this.open.has(item.key);
  }

  toggle(item) {
    this.isOpen(item) ? this.open.delete(item.key) : this.unfold(item);
  }

  unfold(item) {
    if (item.isFrame) this.open.add(item.key);
    for (const child of item.children) {
      if (child.kind === "join" || (child.piece.kind === "group" && child.leaves <= TINY)) this.unfold(child);
    }
  }

  /** Stages folded, and what is around them open; a small network whole. */
  overview() {
    const { root } = this.network;
    this.open = new Set([root.key]);
    if (root.leaves <= SMALL) return this.all();
    for (const item of [root, ...holdersIn(root)]) this.unfold(item);
    return this;
  }

  all() {
    let opened = 0;
    for (const item of this.network.root.walk()) {
      if (item.isFrame) this.open.add(item.key);
      if (item.isLeaf && ++opened >= MOST_OPENED) break;
    }
    return this;
  }

  /** Open everything around an item. */
  reveal(item) {
    for (let around = item.parent; around; around = around.parent) if (!this.isOpen(around)) this.unfold(around);
  }

  /** Where an item is seen: itself, or the folded scope that it is in. */
  seen(item) {
    let shown = item;
    for (let around = item.parent; around; around = around.parent) if (!this.isOpen(around)) shown = around;
    return shown;
  }
}

/** Scopes with a stage in them, and groups that are most of the network. */
function holdersIn(root) {
  const holders = [];
  const visit = item => {
    const holds = item.children
      .filter(child => !child.isLeaf)
      .map(visit)
      .some(Boolean);
    if (item.isFrame && (holds || (item.piece.kind === "group" && 2 * item.leaves > root.leaves))) holders.push(item);
    return holds || item.piece.kind === "stage";
  };
  visit(root);
  return holders;
}

/** What the network consists of, at a glance: stages, and what is beside them. */
function partsOf(root) {
  const opened = new Set([root, ...holdersIn(root)]);
  const flat = item => (opened.has(item) || item.kind === "join" ? item.children.flatMap(flat) : [item]);
  return flat(root);
}
