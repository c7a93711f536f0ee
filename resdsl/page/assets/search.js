// Search for layers and blocks by name, operator, size or shape.

const MOST_FOUND = 60;

class Search {
  constructor(input, list, app) {
    Object.assign(this, { input, list, app, matches: [], at: -1 });
    input.addEventListener("input", () => this.look());
    input.addEventListener("focus", () => this.look());
    input.addEventListener("keydown", event => this.pressed(event));
    input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    list.addEventListener("pointerdown", event => event.preventDefault());
  }

  look() {
    const terms = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!terms.length) {
      this.close();
      this.app.light([]);
      return;
    }
    const all = this.app.canvases.flatMap(canvas => canvas.network.items.slice(1));
    this.matches = all.filter(item => item.kind !== "run" && terms.every(term => textOf(item).includes(term)));
    // Items whose own label starts with the query come first.
    const begins = item =>
      item.label.toLowerCase().startsWith(terms[0]) || item.path.toLowerCase() === terms[0] ? 0 : 1;
    this.listed = this.matches
      .map((item, place) => [begins(item), place, item])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1])
      .slice(0, MOST_FOUND)
      .map(([, , item]) => item);
    this.app.light(this.matches);
    this.move(this.listed.length ? 0 : -1);
  }

  move(at) {
    this.at = at;
    const options = this.listed.map((item, place) =>
      h(
        "li",
        {
          role: "option",
          id: `match-${place}`,
          "aria-selected": String(place === at),
          onclick: () => this.take(item),
        },
        h("span", { class: "code" }, item.path),
        h("span", { class: "quiet" }, callText(item)),
      ),
    );
    const more = this.matches.length - this.listed.length;
    this.list.replaceChildren(
      h(
        "li",
        { class: "tally", role: "presentation" },
        this.matches.length ? plural(this.matches.length, "match", "matches") : "no matches",
      ),
      ...options,
      ...(more > 0
        ? [h("li", { class: "tally", role: "presentation" }, `and ${exact(more)} more, all highlighted`)]
        : []),
    );
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.input.setAttribute("aria-activedescendant", at < 0 ? "" : `match-${at}`);
    options[at]?.scrollIntoView({ block: "nearest" });
  }

  take(item) {
    this.close();
    this.app.choose(item, { reveal: true, keepLit: true });
    this.app.canvasOf(item).picture.focus({ preventScroll: true });
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  pressed(event) {
    if (event.key === "Escape") {
      this.input.value = "";
      this.look();
      this.app.active.picture.focus();
    } else if (event.key === "Enter" && this.listed?.[this.at]) {
      this.take(this.listed[this.at]);
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && this.listed?.length) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.move((this.at + step + this.listed.length) % this.listed.length);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

function textOf(item) {
  item.text ??= [
    item.path,
    callText(item),
    item.piece.title,
    item.piece.op,
    kindOf(item),
    fullShape(item.type),
    shapeText(item.type).replaceAll("×", "x"),
  ]
    .join(" ")
    .toLowerCase();
  return item.text;
}
