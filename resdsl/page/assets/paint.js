// Boxes and wires as SVG.

const SIGNS = { add: "+", mul: "×", mean: "mean", concat: "concat" };

/** The element of a box. `look` is its current appearance (see `Canvas.lookOf`). */
function paintBox(box, look) {
  const { item } = box;
  const level = levelOf(item);
  const classes = ["box", box.form, level < 0 ? "plain" : `level-${level % 8}`];
  if (box.form === "flat") classes.push("light");
  if (look.solid) classes.push("solid");
  if (look.lit) classes.push("lit");
  if (look.mark) classes.push(`mark-${look.mark}`);
  if (look.warmth !== null) classes.push("warm");
  const group = svg("g", {
    class: classes.join(" "),
    transform: `translate(${box.x} ${box.y})`,
    id: look.id,
    role: "treeitem",
    "aria-label": spoken(item),
    "aria-expanded": item.isFrame ? String(box.form === "open") : null,
    "aria-level": depthOf(item),
  });
  if (look.warmth !== null) group.style.setProperty("--warmth", `${Math.round(100 * look.warmth)}%`);
  group.append(...PAINTERS[box.form](box, look));
  if (look.lit > 1 || (look.lit && box.form === "folded")) group.append(...badge(box, look.lit));
  group.append(...outputMark(box));
  return group;
}

/** Update what changes with every click. */
function dressBox(element, { chosen, partner }) {
  element.classList.toggle("chosen", chosen);
  element.classList.toggle("partner", partner);
  element.setAttribute("aria-selected", String(chosen));
}

function dressWire(element, { chosen }) {
  element.classList.toggle("chosen", chosen);
}

function levelOf(item) {
  if (item.isLeaf && !item.piece.weight && item.piece.type !== item.piece.in) return -1;
  if (item.isLeaf && item.type.shape.length !== 4) return -1;
  return item.type.level;
}

function depthOf(item) {
  let depth = 1;
  for (let around = item.frame; around; around = around.frame) depth++;
  return depth;
}

/** The text for screen readers. */
function spoken(item) {
  const words = [item.path || item.network.name, callText(item), shapeText(item.type)];
  const [parameters, , macs] = item.cost;
  if (parameters) words.push(`${short(parameters)} parameters`);
  if (macs) words.push(`${short(macs)} MACs`);
  return words.join(", ");
}

function words(x, y, text, name, anchor) {
  return svg("text", { x, y, class: name, "text-anchor": anchor }, text);
}

function body(box, radius = 7) {
  return svg("rect", { class: "body", width: box.width, height: box.height, rx: radius });
}

const PAINTERS = {
  tall: paintTall,
  flat: paintFlat,
  input: paintInput,
  knot: box => [
    svg("circle", { class: "body", cx: 13, cy: 13, r: 12.5 }),
    box.item.piece.join === "add"
      ? svg("path", { class: "sign", d: "M13 7.5v11M7.5 13h11" })
      : svg("path", { class: "sign", d: "M9 9l8 8M17 9l-8 8" }),
  ],
  pill: (box, look) => [body(box, 13), words(box.width / 2, 17.5, SIGNS[box.item.piece.join], "name", "middle")],
  folded: paintFolded,
  open: paintOpen,
};

function paintTall(box, look) {
  const { item } = box;
  const share = look.share ?? "";
  const room = box.width - 24;
  const kept = share ? widthOf(share, 11, 600) + 8 : 0;
  const shape = fitted(shapeText(item.type), room - 40, 11);
  const label = fittedName(ownLabel(item), room - widthOf(shape, 11) - 12, 11);
  return [
    body(box),
    words(12, 18, fitted(item.piece.title, room - kept, 13, 600), "title"),
    share && words(box.width - 12, 18, share, "share", "end"),
    words(12, 34.5, label || shape, label ? "quiet" : "quiet figures"),
    label && words(box.width - 12, 34.5, shape, "quiet figures", "end"),
  ].filter(Boolean);
}

/** An explicit label; layers without one are named by their operator, which the box shows anyway. */
function ownLabel(item) {
  const { label, piece } = item;
  return label === piece.op || (label.startsWith(`${piece.op}_`) && /^\d+$/.test(label.slice(piece.op.length + 1)))
    ? ""
    : label;
}

function paintFlat(box, look) {
  const { item } = box;
  const right = look.share || ownLabel(item);
  const title = fitted(item.piece.title, box.width - 24 - Math.min(widthOf(right, 11), 90) - 10, 12, 500);
  const room = box.width - 34 - widthOf(title, 12, 500);
  return [
    body(box, 6),
    words(12, 16.5, title, "name"),
    right && words(box.width - 12, 16.5, fittedName(right, room, 11), look.share ? "share" : "quiet", "end"),
  ].filter(Boolean);
}

function paintInput(box) {
  const { item } = box;
  const shape = fitted(shapeText(item.type), box.width - 40 - widthOf(item.piece.title, 12, 600), 11);
  return [
    body(box, 15),
    words(16, 19.5, item.piece.title, "title small"),
    words(box.width - 16, 19.5, shape, "quiet figures", "end"),
  ];
}

function paintFolded(box, look) {
  const { item } = box;
  const { width, height } = box;
  const share = look.share ?? "";
  const room = width - 42 - (share ? widthOf(share, 11, 600) + 8 : 0);
  const [parameters, , macs] = item.cost;
  const figures = [parameters && short(parameters), macs && `${short(macs)} MACs`].filter(Boolean).join(" · ");
  const shape = fitted(shapeText(item.type), width - 24 - widthOf(figures, 11) - 10, 11);
  return [
    svg("rect", { class: "under", x: 8, y: height - 8, width: width - 16, height: 14, rx: 6 }),
    svg("rect", { class: "under", x: 4, y: height - 10, width: width - 8, height: 13, rx: 6 }),
    body(box),
    ...chevron(15, 15, false),
    words(30, 19.5, fittedName(item.label, room, 13, 600), "title"),
    share && words(width - 12, 19.5, share, "share", "end"),
    words(30, 35.5, fitted(callText(item), width - 42, 11.5), "call"),
    words(12, 53.5, shape, "quiet figures"),
    words(width - 12, 53.5, figures, "quiet figures", "end"),
  ].filter(Boolean);
}

function paintOpen(box) {
  const { item } = box;
  const room = box.width - 42;
  const name = fittedName(item.label, room, 12.5, 600);
  const left = room - widthOf(name, 12.5, 600) - 8;
  // The contents of a group are visible and describe it.
  const call = item.piece.kind === "group" ? "" : fitted(callText(item), left, 11.5);
  return [
    body(box, 11),
    svg("path", { class: "headline", d: headPath(box.width, SIZE.head, 11) }),
    ...chevron(15, 13.5, true),
    words(30, 18, name, "title small"),
    call.length > 3 && words(30 + widthOf(name, 12.5, 600) + 8, 18, call, "call"),
  ].filter(Boolean);
}

/** The title bar of a frame: rounded at the top, straight at the bottom. */
function headPath(width, height, r) {
  return `M0 ${height}V${r}Q0 0 ${r} 0H${width - r}Q${width} 0 ${width} ${r}V${height}Z`;
}

function chevron(x, y, isOpen) {
  return [svg("path", { class: "chevron", d: isOpen ? `M${x - 4} ${y - 2}l4 4 4-4` : `M${x - 2} ${y - 4}l4 4-4 4` })];
}

function badge(box, count) {
  const text = count > 999 ? "999+" : String(count);
  const width = widthOf(text, 10.5, 700) + 12;
  return [
    svg("rect", { class: "badge", x: box.width - width + 6, y: -8, width, height: 16, rx: 8 }),
    words(box.width - width / 2 + 6, 3.7, text, "badge-text", "middle"),
  ];
}

function outputMark(box) {
  const names = outputsAt(box);
  if (!names.length) return [];
  const text = names.join(", ");
  const middle = box.height / 2;
  return [
    svg(
      "g",
      { class: "output", transform: `translate(${box.width} ${middle})` },
      svg("path", { class: "lead", d: `M0 0h${SIZE.mark}` }),
      svg("path", {
        class: "tag",
        d: `M${SIZE.mark} 0l8-10h${widthOf(text, 11, 600) + 14}v20h-${widthOf(text, 11, 600) + 14}z`,
      }),
      words(SIZE.mark + 14, 4, text, "tag-text"),
    ),
  ];
}

function paintWire(wire) {
  const { points } = wire;
  const [x, y] = points.at(-1);
  const [px, py] = points.at(-2);
  const group = svg("g", { class: "wire" }, svg("path", { class: "line", d: pathThrough(points) }));
  if (wire.target && wire.target.form !== "join") {
    // The arrow head ends at the box and points along the wire.
    const d =
      py < y - 0.5 ? `M${x} ${y}l-3.6-6.5h7.2z` : px < x ? `M${x} ${y}l-6.5-3.6v7.2z` : `M${x} ${y}l6.5-3.6v7.2z`;
    group.append(svg("path", { class: "tip", d }));
  }
  return group;
}
