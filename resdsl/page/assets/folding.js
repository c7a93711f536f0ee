// Which scopes are open. Scopes that the user has not touched follow `overview`.

const SMALL = 36; // leaves: smaller networks are fully unfolded
const TINY = 4; // leaves: smaller labelled groups unfold with their parent
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

  /** Stages folded and their parents unfolded; small networks fully unfolded. */
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

  /** Unfold all scopes around an item. */
  reveal(item) {
    for (let around = item.parent; around; around = around.parent) if (!this.isOpen(around)) this.unfold(around);
  }

  /** The visible representative of an item: itself, or the folded scope around it. */
  seen(item) {
    let shown = item;
    for (let around = item.parent; around; around = around.parent) if (!this.isOpen(around)) shown = around;
    return shown;
  }
}

/** Scopes that contain a stage, and groups that make up most of the network. */
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

/** The top-level parts of the network: stages and their siblings. */
function partsOf(root) {
  const opened = new Set([root, ...holdersIn(root)]);
  const flat = item => (opened.has(item) || item.kind === "join" ? item.children.flatMap(flat) : [item]);
  return flat(root);
}
