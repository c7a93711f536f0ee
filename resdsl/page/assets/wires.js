// Wires between boxes, with positions relative to the parent box, like those of boxes.

function connect(around, source, target, points) {
  around.wires.push({ source, target, points });
}

/** Wires from items to their users in a sequence, from the top to the first, and from the last to the bottom. */
function wireSequence(box, placed, chains) {
  const { item } = box;
  const isRoot = !item.parent;
  const [entry] = item.inputs;
  for (const chain of chains) {
    chain.forEach((each, place) => {
      const target = placed.get(each);
      const [source] = each.inputs;
      const above = place ? placed.get(chain[place - 1]) : boxWithOutput(placed, source);
      if (above) wireDown(box, source, above.x + above.axis, above.bottom, target);
      else if (source === entry && !isRoot && each.piece.op !== "input")
        wireDown(box, source, box.axis, SIZE.head, target);
      else if (each.piece.op !== "input") box.wanting.push([source, target]);
    });
  }
  const last = boxWithOutput(placed, item.output);
  const isTaken = item.network.takers[item.output].some(leaf => leaf >= item.end);
  if (last && isTaken && !isRoot) {
    const points = straighten([
      [last.x + last.axis, last.bottom],
      [box.axis, box.height + SIZE.foot],
    ]);
    box.wires.push({ source: item.output, target: null, points });
  }
}

/** Wires from the fork at the top through the branches to the join. */
function wireJoin(box, placed, branches, knot) {
  const [entry] = box.item.inputs;
  for (const { chain } of branches) {
    if (!chain) continue;
    chain.forEach((each, place) => {
      const target = placed.get(each);
      const [source] = each.inputs;
      const above = place ? placed.get(chain[place - 1]) : boxWithOutput(placed, source);
      if (above) wireDown(box, source, above.x + above.axis, above.bottom, target);
      else if (source === entry) wireDown(box, source, box.axis, 0, target);
      else box.wanting.push([source, target]);
    });
  }
  for (const branch of branches) {
    const { leaf, chain, x } = branch;
    if (leaf === undefined) continue;
    if (chain) {
      const tail = placed.get(chain.at(-1));
      intoKnot(box, leaf, [[tail.x + tail.axis, tail.bottom]], knot);
    } else if (leaf === entry) {
      intoKnot(
        box,
        leaf,
        [
          [box.axis, 0],
          [box.axis, SIZE.gap / 2],
          [x, SIZE.gap / 2],
        ],
        knot,
      );
    } else {
      box.wanting.push([leaf, knot]);
    }
  }
}

/** Straight down, or with a bend above the target. */
function wireDown(around, source, x, y, target) {
  const end = target.x + target.axis;
  if (target.snug) return;
  // The bend is close to the start of the wire: further down there may be boxes beside it.
  const bend = y + SIZE.gap / 2;
  const points =
    Math.abs(end - x) < 1
      ? [
          [x, y],
          [end, target.y],
        ]
      : [
          [x, y],
          [x, bend],
          [end, bend],
          [end, target.y],
        ];
  connect(around, source, target, points);
}

/** The last segment of a branch. Wires enter a round join from the side, a wide one from the top. */
function intoKnot(around, source, points, knot) {
  const [x] = points.at(-1);
  const axis = knot.x + knot.axis;
  const { middle } = knot;
  if (Math.abs(x - axis) < 1) points.push([axis, knot.y]);
  else if (knot.form === "knot") points.push([x, middle], [x < axis ? knot.x : knot.x + knot.width, middle]);
  else points.push([x, knot.y - SIZE.gap / 2 - 2], [axis, knot.y - SIZE.gap / 2 - 2], [axis, knot.y]);
  connect(around, source, knot, points);
}

function boxWithOutput(placed, leaf) {
  for (const [item, box] of placed) if (item.output === leaf) return box;
  return null;
}

/** Wires of distant values run around everything on the right. */
function wireTaps(box, placed) {
  const [entry] = box.item.inputs;
  const items = [...placed.keys()];
  const wanted = box.wanting;
  box.wanting = [];
  for (const child of box.boxes) wanted.push(...child.wanting.splice(0));
  for (const item of items) {
    const child = placed.get(item);
    if (child.form === "folded") for (const leaf of item.taken) if (leaf !== item.inputs[0]) wanted.push([leaf, child]);
  }
  const lanes = [];
  for (const [leaf, target] of wanted) {
    const source = items.find(item => item.contains(leaf));
    if (!source && leaf !== entry) {
      box.wanting.push([leaf, target]);
      continue;
    }
    const from = source ? placed.get(source).y : 0;
    const to = heightIn(box, target) + target.height;
    let lane = lanes.findIndex(bottom => bottom <= from);
    if (lane < 0) lane = lanes.length;
    lanes[lane] = to;
    box.wires.push({
      source: leaf,
      target,
      lane: box.width + (lane + 1) * SIZE.detour,
      box: source ? placed.get(source) : box,
    });
  }
  if (lanes.length) box.width += (lanes.length + 1) * SIZE.detour;
}

function heightIn(around, box) {
  let y = 0;
  for (let each = box; each !== around; each = each.around) y += each.y;
  return y;
}

/** The corners of these wires, once all positions are known. */
function finish(wire) {
  if (wire.points) return;
  const { around, target } = wire;
  const x = around.x + wire.lane;
  let start = wire.box;
  if (start === around) {
    wire.points = [
      [around.axis, around.y + 4],
      [x, around.y + 4],
    ];
  } else {
    while (start.boxes.length && start.item.output !== wire.source) {
      start = start.boxes.find(each => each.item.contains(wire.source));
    }
    // Below the middle, where the names of outputs are.
    const y = start.boxes.length ? start.bottom - SIZE.foot / 2 : start.bottom - Math.min(9, start.height / 4);
    wire.points = [
      [start.x + start.width, y],
      [x, y],
    ];
  }
  const isHead = target.form !== "knot" && target.form !== "folded" && target.form !== "open";
  if (isHead)
    wire.points.push([x, target.y - SIZE.gap / 2], [target.axis, target.y - SIZE.gap / 2], [target.axis, target.y]);
  else wire.points.push([x, entryOf(target)], [target.x + target.width, entryOf(target)]);
}

function entryOf(box) {
  return box.form === "knot" ? box.middle : box.y + SIZE.head / 2;
}

/** Two corners with different `x`, with a bend between them. */
function straighten([[x, y], [endX, endY]]) {
  if (Math.abs(x - endX) < 1)
    return [
      [x, y],
      [endX, endY],
    ];
  const bend = endY - SIZE.foot / 2;
  return [
    [x, y],
    [x, bend],
    [endX, bend],
    [endX, endY],
  ];
}

/** A path with rounded corners. */
function pathThrough(points, radius = 8) {
  const [[x0, y0], ...rest] = points;
  let path = `M${x0} ${y0}`;
  let [px, py] = [x0, y0];
  rest.forEach(([x, y], place) => {
    const next = rest[place + 1];
    if (!next) {
      path += `L${x} ${y}`;
      return;
    }
    const before = Math.hypot(x - px, y - py),
      after = Math.hypot(next[0] - x, next[1] - y);
    const r = Math.min(radius, before / 2, after / 2);
    if (r < 0.5) return;
    const [ax, ay] = [x - ((x - px) / before) * r, y - ((y - py) / before) * r];
    const [bx, by] = [x + ((next[0] - x) / after) * r, y + ((next[1] - y) / after) * r];
    path += `L${ax} ${ay}Q${x} ${y} ${bx} ${by}`;
    [px, py] = [x, y];
  });
  return path;
}
