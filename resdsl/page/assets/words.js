// Texts, numbers and elements.

/** An HTML element: `h("p", { class: "quiet" }, "text", child)`. Texts are never parsed as markup. */
function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

const STEPS = [
  ["T", 1e12],
  ["G", 1e9],
  ["M", 1e6],
  ["k", 1e3],
];

/** 60192808 as `60.2 M`, with three digits. */
function short(count) {
  for (const [unit, step] of STEPS) {
    if (count >= 0.9995 * step) {
      const value = count / step;
      return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${unit}`;
    }
  }
  return String(count);
}

function exact(count) {
  return count.toLocaleString("en-US");
}

function bytes(count) {
  return /[A-Za-z]$/.test(short(count)) ? `${short(count)}B` : `${short(count)} B`;
}

function percent(part, whole) {
  if (!whole || !part) return "0 %";
  const share = (100 * part) / whole;
  return share < 0.1 ? "< 0.1 %" : `${share < 10 ? share.toFixed(1) : Math.round(share)} %`;
}

function plural(count, one, many = `${one}s`) {
  return `${exact(count)} ${count === 1 ? one : many}`;
}

/** A shape without the batch axis: `64×56×56`. */
function shapeText(type) {
  const sizes = type.shape.slice(1).map(size => (size.includes(" ") ? `(${size})` : size));
  return sizes.length ? sizes.join("×") : `[${type.shape.join(", ")}]`;
}

function fullShape(type) {
  return `[${type.shape.join(", ")}]`;
}

/** The call of a scope, or its contents: `bottleneck(64)`, `3 × bottleneck(64)`. */
function callText(item) {
  if (item.isLeaf) return item.piece.call;
  if (item.kind === "run") return `${item.count} × ${item.piece.call}`;
  return item.piece.callee ? item.piece.call : contentText(item);
}

/** The calls in a stage or group, with counts of equal ones. */
function contentText(item) {
  const calls = [];
  const collect = each => {
    for (const child of each.children) {
      if (child.kind === "join") {
        collect(child);
        continue;
      }
      const [name, count] = child.kind === "run" ? [child.piece.call, child.count] : [nameOf(child), 1];
      if (calls.at(-1)?.name === name) calls.at(-1).count += count;
      else calls.push({ name, count });
      if (calls.length > 6) return;
    }
  };
  collect(item);
  return calls.map(({ name, count }) => (count > 1 ? `${count} × ${name}` : name)).join(", ");
}

function nameOf(item) {
  return item.isLeaf ? item.piece.title : item.piece.callee ? item.piece.call : item.label;
}

function fieldText(field) {
  if (!field) return "whole image";
  const [rows, columns, down, across] = field;
  return `${rows}×${columns} pixels, step ${down === across ? down : `${down}×${across}`}`;
}

const KINDS = { model: "model", stage: "stage", block: "block", group: "group", aux: "aux", run: "equal blocks" };

function kindOf(item) {
  if (item.isLeaf) return item.piece.op === "input" ? "input" : "layer";
  return item.kind === "run" ? KINDS.run : KINDS[item.piece.kind];
}

const measuring = document.createElement("canvas").getContext("2d");
const widths = new Map();

/** The width of a text in pixels. */
function widthOf(text, size, weight = 400) {
  const key = `${weight} ${size} ${text}`;
  if (!widths.has(key)) {
    measuring.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
    widths.set(key, measuring.measureText(text).width);
  }
  return widths.get(key);
}

/** The text, shortened to fit, keeping its last `end` characters. */
function fitted(text, width, size, weight = 400, end = 0) {
  if (widthOf(text, size, weight) <= width) return text;
  const last = end ? text.slice(-end) : "";
  let kept = text.length - last.length;
  while (kept > 1 && widthOf(`${text.slice(0, kept)}…${last}`, size, weight) > width) kept--;
  return `${text.slice(0, kept).trimEnd()}…${last}`;
}

/** A shortened name: neighbours often differ only at the end. */
function fittedName(name, width, size, weight) {
  return fitted(name, width, size, weight, 6);
}
