// The comparison of two networks.

/** Marks of actual differences; `follows` marks layers that only have other shapes. */
const TOUCHED = ["added", "removed", "changed", "moved", "renamed"];

/** The marks of one network, with prefix sums to count the marks in any scope. */
class Marks {
  constructor(runs, leaves) {
    this.marks = new Array(leaves).fill("");
    for (const [first, number, mark] of runs) this.marks.fill(mark, first, first + number);
    this.sums = Object.fromEntries([...TOUCHED, "follows"].map(name => [name, [0]]));
    for (const [name, sums] of Object.entries(this.sums)) {
      this.marks.forEach((mark, leaf) => sums.push(sums[leaf] + (mark === name ? 1 : 0)));
    }
  }

  count(item, name) {
    return this.sums[name][item.end] - this.sums[name][item.first];
  }

  /** The mark of an item: of a leaf, or summed up for a scope. An open scope is only marked if all of it is. */
  of(item, isOpen) {
    if (item.isLeaf) return this.marks[item.first];
    for (const name of ["added", "removed", "moved"]) if (this.count(item, name) === item.leaves) return name;
    if (isOpen) return "";
    const inside = TOUCHED.filter(name => this.count(item, name));
    if (inside.length) return inside.join() === "renamed" ? "renamed" : "inside";
    return this.count(item, "follows") ? "follows" : "";
  }

  isTouched(item) {
    return TOUCHED.some(name => this.count(item, name));
  }
}

class Pairs {
  constructor(steps, networks) {
    this.networks = networks;
    this.there = new Map();
    this.back = new Map();
    for (const [old, new_, number] of steps) {
      for (let place = 0; place < number; place++) {
        this.there.set(old + place, new_ + place);
        this.back.set(new_ + place, old + place);
      }
    }
  }

  /** The corresponding item of the other network: with the same path, or around the same leaves. */
  of(item) {
    const side = item.network === this.networks[0] ? 0 : 1;
    const other = this.networks[1 - side];
    const map = side ? this.back : this.there;
    if (item.isLeaf) return map.has(item.first) ? other.leaf(map.get(item.first)) : null;
    if (!item.parent) return other.root;
    const same = other.find(item.key);
    if (same?.isFrame) return same;
    for (let leaf = item.first; leaf < item.end; leaf++) {
      if (!map.has(leaf)) continue;
      let frame = other.leaf(map.get(leaf)).frame;
      while (frame.frame && depthOf(frame) > depthOf(item)) frame = frame.frame;
      return frame.parent ? frame : null;
    }
    return null;
  }
}

const MOST_SHOWN = 60; // boxes of a network up to which changes are unfolded initially

/** Scopes with changes, outermost first, as long as the picture stays small; only the first of equal blocks. */
function scopesWithChanges(network, marks) {
  const scopes = [];
  const pieces = new Set();
  const pending = [...network.root.children];
  let shown = pending.length;
  while (pending.length && shown < MOST_SHOWN) {
    const item = pending.shift();
    const isWhole = item.isFrame && ["added", "removed", "moved"].includes(marks.of(item, true));
    if (item.isLeaf || isWhole || !marks.isTouched(item) || (item.piece.kind === "block" && pieces.has(item.piece)))
      continue;
    pieces.add(item.piece);
    if (item.isFrame) scopes.push(item);
    shown += item.children.length;
    pending.push(...item.children);
  }
  return scopes;
}

function changesPanel(comparison, app) {
  const differing = comparison.totals.filter(([, , , difference]) => difference !== "same");
  const same = comparison.totals.filter(([, , , difference]) => difference === "same").map(([name]) => name);
  return [
    h("h2", {}, "Changes"),
    h("p", { class: comparison.loud ? "verdict loud" : "verdict" }, comparison.verdict),
    comparison.forms.length > 0 &&
      section(
        "In another form",
        h(
          "ul",
          { class: "forms" },
          comparison.forms.map(form => h("li", {}, form)),
        ),
      ),
    comparison.changes.length > 0 &&
      h(
        "ol",
        { class: "changes" },
        comparison.changes.map(change => changeCard(change, app)),
      ),
    differing.length > 0 &&
      section(
        "Totals",
        h(
          "table",
          { class: "figures" },
          h(
            "tbody",
            {},
            differing.map(([name, old, new_, difference]) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, name),
                h("td", {}, `${old} → ${new_}`, difference !== "changed" && h("div", { class: "quiet" }, difference)),
              ),
            ),
          ),
        ),
      ),
    same.length > 0 && differing.length > 0 && h("p", { class: "note" }, `the same: ${same.join(", ")}`),
    h("p", { class: "note" }, h("kbd", {}, "n"), " and ", h("kbd", {}, "N"), " go to the next and previous change."),
  ];
}

const SIGN_NAMES = { "+": "added", "-": "removed", "~": "changed", ">": "moved", "=": "renamed" };

function changeCard(change, app) {
  const places = [0, 1].flatMap(side =>
    change.places[side].map(path => app.canvases[side].network.find(path)).filter(Boolean),
  );
  return h(
    "li",
    { class: `change mark-${SIGN_NAMES[change.sign]}` },
    h(
      "button",
      { class: "change-head", disabled: !places.length, onclick: () => app.visit(places) },
      h("span", { class: "sign" }, change.sign === "-" ? "−" : change.sign),
      h("span", { class: "code" }, change.headline),
    ),
    change.lines.map(line => h("p", { class: "quiet" }, line)),
    change.loud && h("p", { class: "loud" }, "same tensors, different computation"),
  );
}
