// Layout. A box is the visible form of an item; `axis` is the vertical line of its data flow.
//
// Boxes are built bottom-up with positions relative to their parent, which become absolute at the end.
// Branches of a join are side by side; an identity branch is a lane, a wire past the others.

const SIZE = {
  width: 228,
  tall: 44,
  flat: 25,
  knot: 26,
  pill: 112,
  folded: 64,
  input: 30,
  head: 27,
  brow: 18,
  side: 16,
  foot: 16,
  gap: 20,
  snug: 3,
  column: 28,
  lane: 22,
  detour: 12,
  mark: 8,
};

class Box {
  constructor(item, form, width, height) {
    this.item = item;
    this.form = form; // tall, flat, knot, pill, folded, open, join, input
    this.x = this.y = 0;
    this.width = width;
    this.height = height;
    this.axis = width / 2;
    this.boxes = [];
    this.wires = [];
    this.wanting = []; // [leaf, box]: inputs of inner boxes from outside
    this.around = null;
  }

  get bottom() {
    return this.y + this.height;
  }
  get middle() {
    return this.y + this.height / 2;
  }

  /** The boxes to draw, without joins, in preorder. */
  *seen() {
    if (this.form !== "join") yield this;
    for (const box of this.boxes) yield* box.seen();
  }
}

function layOut(network, folding) {
  const root = boxOf(network.root, folding);
  settle(root, 0, 0);
  return root;
}

function boxOf(item, folding) {
  if (item.isLeaf) return leafBox(item);
  if (!folding.isOpen(item)) return new Box(item, "folded", SIZE.width, SIZE.folded);
  const box = new Box(item, item.kind === "join" ? "join" : "open", 0, 0);
  item.kind === "join" ? layJoin(box, folding) : laySequence(box, folding);
  return box;
}

function leafBox(item) {
  const { piece } = item;
  if (piece.op === "input") return new Box(item, "input", SIZE.width, SIZE.input);
  if (piece.join === "add" || piece.join === "mul") return new Box(item, "knot", SIZE.knot, SIZE.knot);
  if (piece.join) return new Box(item, "pill", SIZE.pill, SIZE.knot);
  const isTall = piece.weight || piece.in !== piece.type;
  return new Box(item, isTall ? "tall" : "flat", SIZE.width, isTall ? SIZE.tall : SIZE.flat);
}

function laySequence(box, folding) {
  const { item } = box;
  const isRoot = !item.parent;
  const chains = chainsOf(item.children);
  const placed = stack(
    box,
    item.children,
    chains,
    folding,
    isRoot ? 0 : SIZE.head + (item.children[0].kind === "join" ? 2 : SIZE.brow),
  );
  let x = isRoot ? 0 : SIZE.side;
  for (const column of columnsOf(chains, placed)) x = setColumn(column, x) + SIZE.column;
  box.width = Math.max(x - SIZE.column, 0);
  box.axis = placed.get(chains[0][0]).x + placed.get(chains[0][0]).axis;
  box.height = Math.max(...box.boxes.map(each => each.bottom));
  wireSequence(box, placed, chains);
  wireTaps(box, placed);
  if (isRoot) return;
  box.width = Math.max(box.width + SIZE.side, SIZE.width + 2 * SIZE.side);
  box.height += SIZE.foot;
}

function layJoin(box, folding) {
  const items = box.item.children;
  const knotItem = items.at(-1);
  const chains = chainsOf(items.slice(0, -1));
  const placed = stack(box, items.slice(0, -1), chains, folding, SIZE.gap);
  const branches = branchesOf(knotItem, chains);
  let x = 0;
  for (const branch of branches) {
    if (branch.chain)
      x =
        setColumn(
          branch.chain.map(each => placed.get(each)),
          x,
        ) + SIZE.column;
    else [branch.x, x] = [x + SIZE.lane / 2, x + SIZE.lane];
  }
  box.width = branches.at(-1).chain ? x - SIZE.column : x;
  const axes = chains.map(chain => placed.get(chain[0]).x + placed.get(chain[0]).axis);
  const isResidual = box.item.piece.callee === "residual";
  box.axis = !axes.length ? box.width / 2 : isResidual ? axes[0] : (axes[0] + axes.at(-1)) / 2;
  const lowest = Math.max(SIZE.gap, ...box.boxes.map(each => each.bottom));
  centre(chains, placed, lowest);
  const knot = add(box, knotItem, leafBox(knotItem), placed);
  knot.x = box.axis - knot.axis;
  knot.y = lowest + (chains.length > 1 && knot.form === "pill" ? SIZE.gap + 8 : SIZE.gap);
  box.height = knot.bottom;
  wireJoin(box, placed, branches, knot);
  wireTaps(box, placed);
}

function add(around, item, box, placed) {
  box.around = around;
  around.boxes.push(box);
  placed.set(item, box);
  return box;
}

/** Boxes of items, from top to bottom: each below its input. */
function stack(around, items, chains, folding, top) {
  const placed = new Map();
  const above = new Map();
  for (const chain of chains) chain.forEach((item, place) => above.set(item, chain[place - 1]));
  for (const item of items) {
    const box = add(around, item, boxOf(item, folding), placed);
    box.y = top;
    for (const leaf of item.taken) {
      const source = items.find(each => each.contains(leaf));
      if (!source || !placed.has(source)) continue;
      box.snug = above.get(item) === source && isSnug(source, item);
      box.y = Math.max(box.y, placed.get(source).bottom + (box.snug ? SIZE.snug : SIZE.gap));
    }
  }
  return placed;
}

/** Boxes of chains, by columns: a chain that begins below the end of another can share its column. */
function columnsOf(chains, placed) {
  const columns = [];
  for (const chain of chains) {
    const boxes = chain.map(item => placed.get(item));
    // The wire to the first box comes from the side, in the gap above it.
    const top = boxes[0].y - SIZE.gap;
    const free = columns.slice(1).find(column => column.bottom <= top || column.top >= boxes.at(-1).bottom + SIZE.gap);
    const column = free ?? { boxes: [], top: Infinity, bottom: -Infinity };
    if (!free) columns.push(column);
    column.boxes.push(...boxes);
    column.top = Math.min(column.top, top);
    column.bottom = Math.max(column.bottom, boxes.at(-1).bottom);
  }
  return columns.map(column => column.boxes);
}

/** Stack the boxes of a column, none further left than `x`; returns their right end. */
function setColumn(boxes, x) {
  const axis = x + Math.max(...boxes.map(box => box.axis));
  for (const box of boxes) box.x = axis - box.axis;
  return Math.max(...boxes.map(box => box.x + box.width + roomForMark(box)));
}

/** The inputs of a join, from left to right: chains, and values from outside. */
function branchesOf(knot, chains) {
  const left = new Set(chains);
  const branches = knot.inputs.map(leaf => {
    const chain = chains.find(each => each.at(-1).output === leaf && left.delete(each));
    return { leaf, chain };
  });
  // Chains that are not inputs of the join, such as a branch that another one takes from.
  for (const chain of left) branches.push({ chain });
  return branches;
}

/** Short branches are centred between the fork and the join. */
function centre(chains, placed, lowest) {
  for (const chain of chains) {
    const boxes = chain.map(item => placed.get(item));
    const isFree = [...placed.keys()].every(item => item === chain[0] || !chain[0].taken.has(item.output));
    const spare = lowest - boxes.at(-1).bottom;
    if (isFree && spare > 0) for (const box of boxes) box.y += spare / 2;
  }
}

/** Width of the names of outputs beside a box. */
function roomForMark(box) {
  const names = outputsAt(box);
  return names.length ? SIZE.mark + widthOf(names.join(", "), 11, 600) + 26 : 0;
}

function outputsAt(box) {
  const { item } = box;
  if (box.form === "open" || box.form === "join") return [];
  const outputs = [];
  for (const [leaf, names] of item.network.outputs) if (item.contains(leaf)) outputs.push(...names);
  return outputs;
}

function settle(box, x, y) {
  box.x += x;
  box.y += y;
  box.axis += box.x;
  for (const wire of box.wires) {
    wire.around = box;
    if (wire.points) wire.points = wire.points.map(([px, py]) => [px + box.x, py + box.y]);
  }
  for (const inner of box.boxes) settle(inner, box.x, box.y);
  for (const wire of box.wires) finish(wire);
}
