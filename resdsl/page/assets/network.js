// The data of a network as a tree of items: leaves (operator nodes) and scopes.
//
// Equal blocks share one piece of data; an item is a piece at a position. Items are created on demand.
// Consecutive equal blocks form a run, which folds like a scope.

const SHORTEST_RUN = 3;

class Item {
  /** `kind`: leaf, scope, join (drawn as its branches, without a box of its own), or run. */
  constructor(network, parent, kind, label, piece, first) {
    this.network = network;
    this.parent = parent;
    this.kind = kind;
    this.label = label.startsWith("/") ? label.slice(1) : label;
    this.piece = piece;
    this.first = first;
    this.count = 1;
    this.path = pathOf(parent, label);
    this.key = this.path;
  }

  get leaves() {
    return this.isLeaf ? 1 : this.piece.leaves * this.count;
  }
  get end() {
    return this.first + this.leaves;
  }
  get isLeaf() {
    return this.kind === "leaf";
  }
  get isFrame() {
    return this.kind === "scope" || this.kind === "run";
  }
  get type() {
    return this.network.types[this.piece.type];
  }
  get inputType() {
    return this.network.types[this.piece.in];
  }
  get field() {
    return this.network.fields[this.network.fieldOf[this.output]] ?? null;
  }
  get cost() {
    return this.piece.cost.map(number => number * this.count);
  }

  /** The output leaf. */
  get output() {
    return this.isLeaf ? this.first : this.end - this.piece.leaves + this.piece.out;
  }

  /** The input leaves; of a scope the single one, without taps. */
  get inputs() {
    return this.isLeaf ? this.piece.from.map(back => this.first - back) : [this.first - this.piece.back];
  }

  /** All outside leaves that are inputs of leaves inside. */
  get taken() {
    const taken = new Set(this.inputs);
    const outside = this.network.takenBy(this.piece);
    for (let member = 0; member < this.count; member++) {
      const start = this.first + member * this.piece.leaves;
      for (const offset of outside) if (start + offset < this.first) taken.add(start + offset);
    }
    return taken;
  }

  /** The innermost named scope around it. */
  get frame() {
    let around = this.parent;
    while (around && around.kind === "join") around = around.parent;
    return around;
  }

  get children() {
    this.made ??= this.isLeaf ? [] : this.kind === "run" ? this.members() : this.parts();
    return this.made;
  }

  members() {
    return this.labels.map((label, member) =>
      itemOf(this.network, this, label, this.piece, this.first + member * this.piece.leaves),
    );
  }

  parts() {
    const { network, piece } = this;
    const parts = [];
    let first = this.first;
    for (let place = 0; place < piece.children.length;) {
      const [label, number] = piece.children[place];
      const child = network.pieces[number];
      let end = place + 1;
      while (end < piece.children.length && piece.children[end][1] === number) end++;
      const isRun = child.kind === "block" && end - place >= SHORTEST_RUN && this.kind !== "join";
      if (isRun) {
        parts.push(
          runOf(
            network,
            this,
            piece.children.slice(place, end).map(([each]) => each),
            child,
            first,
          ),
        );
        first += child.leaves * (end - place);
        place = end;
      } else {
        parts.push(itemOf(network, this, label, child, first));
        first += child.leaves ?? 1;
        place++;
      }
    }
    return parts;
  }

  contains(leaf) {
    return this.first <= leaf && leaf < this.end;
  }

  /** The item and all items inside it, in preorder. */
  *walk() {
    const pending = [this];
    while (pending.length) {
      const item = pending.pop();
      yield item;
      for (let place = item.children.length; place--;) pending.push(item.children[place]);
    }
  }
}

function pathOf(parent, label) {
  if (!parent || label.startsWith("/")) return label.replace(/^\//, "");
  const base = parent.kind === "run" ? parent.base : parent.path;
  return !label ? base : !base ? label : `${base}.${label}`;
}

function itemOf(network, parent, label, piece, first) {
  const isTransparent = piece.kind === "join" || (piece.kind === "group" && label === "");
  return new Item(network, parent, piece.op ? "leaf" : isTransparent ? "join" : "scope", label, piece, first);
}

function runOf(network, parent, labels, piece, first) {
  const run = new Item(network, parent, "run", "", piece, first);
  run.base = parent.path;
  run.labels = labels;
  run.count = labels.length;
  run.label = `${labels[0]} … ${labels.at(-1)}`;
  run.path = pathOf(parent, run.label);
  run.key = run.path;
  return run;
}

class Network {
  constructor(data) {
    Object.assign(this, {
      name: data.name,
      source: data.source,
      inputName: data.input,
      at: data.at,
      depth: data.depth,
      types: data.types,
      fields: data.fields,
      fieldOf: data.field_of,
      pieces: data.pieces,
      files: data.files,
    });
    this.outputs = new Map();
    for (const [name, leaf] of data.outputs) this.outputs.set(leaf, [...(this.outputs.get(leaf) ?? []), name]);
    this.outside = new Map();
    this.root = new Item(this, null, "scope", "", data.pieces[data.root], 0);
    this.root.key = "/";
  }

  get cost() {
    return this.root.cost;
  }

  /** Outside inputs of a piece, as offsets from its first leaf. */
  takenBy(piece) {
    if (this.outside.has(piece)) return this.outside.get(piece);
    const offsets = new Set();
    if (piece.op) {
      for (const back of piece.from) offsets.add(-back);
    } else {
      let first = 0;
      for (const [, number] of piece.children) {
        const child = this.pieces[number];
        for (const offset of this.takenBy(child)) if (first + offset < 0) offsets.add(first + offset);
        first += child.leaves ?? 1;
      }
    }
    this.outside.set(piece, offsets);
    return offsets;
  }

  /** All items except joins, in order. */
  get items() {
    this.listed ??= [...this.root.walk()].filter(item => item.kind !== "join");
    return this.listed;
  }

  /** The item of a path, or undefined. */
  find(path) {
    this.named ??= new Map(this.items.map(item => [item.key, item]));
    return this.named.get(path);
  }

  /** The item of a leaf. */
  leaf(place) {
    let item = this.root;
    while (!item.isLeaf) item = item.children.find(child => child.contains(place));
    return item;
  }

  /** For each leaf, the leaves that use it. */
  get takers() {
    if (!this.taking) {
      this.taking = Array.from({ length: this.root.leaves }, () => []);
      for (const item of this.items) {
        if (item.isLeaf) for (const source of new Set(item.inputs)) this.taking[source].push(item.first);
      }
    }
    return this.taking;
  }
}
