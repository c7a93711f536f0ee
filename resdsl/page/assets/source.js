// The source panel: lines are linked to the items that they create, and the selection to its lines.

class SourceView {
  constructor(host, app) {
    this.app = app;
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "files" });
    this.code = h("div", { class: "code-lines", role: "group", "aria-label": "source" });
    host.replaceChildren(this.tabs, this.code);
    this.code.addEventListener("click", event => this.clicked(event));
    this.code.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.clicked(event);
    });
  }

  /** Show a file of a network. */
  open(network, file) {
    if (this.network === network && this.file === file) return;
    if (this.network !== network) this.drawTabs(network);
    this.network = network;
    this.file = file;
    for (const [place, tab] of [...this.tabs.children].entries())
      tab.setAttribute("aria-selected", String(place === file));
    const lines = network.files[file]?.lines ?? [];
    this.code.replaceChildren(...lines.map((tokens, place) => this.drawLine(tokens, place + 1)));
  }

  drawTabs(network) {
    const names = shortNames(network.files.map(file => file.name));
    this.tabs.replaceChildren(
      ...network.files.map((file, place) =>
        h(
          "button",
          {
            class: "tab",
            role: "tab",
            title: file.name,
            onclick: () => {
              this.open(network, place);
              this.mark();
            },
          },
          names[place],
        ),
      ),
    );
  }

  drawLine(tokens, number) {
    const text = h("code", {});
    for (let place = 0; place < tokens.length; place += 2) {
      text.append(tokens[place] ? h("span", { class: `t-${tokens[place]}` }, tokens[place + 1]) : tokens[place + 1]);
    }
    if (!tokens.length) text.append(" ");
    return h(
      "div",
      { class: "line", "data-line": number },
      h("span", { class: "number", "aria-hidden": "true" }, number),
      text,
    );
  }

  /** Highlight the lines of the selection and of the calls that led there; scrolls to the first. */
  mark({ scroll = false } = {}) {
    const chosen = this.app.state.chosen?.item;
    const marks = new Map();
    if (chosen) {
      this.app.chainOf(chosen).forEach(({ at }, place) => {
        if (at[0] !== this.file) return;
        for (let line = at[1]; line <= (place ? at[1] : at[3]); line++) {
          if (!marks.has(line)) marks.set(line, place ? "caller" : "own");
        }
      });
    } else if (this.app.state.line?.file === this.file) {
      marks.set(this.app.state.line.number, "own");
    }
    for (const line of this.code.children) {
      const mark = marks.get(Number(line.dataset.line));
      line.classList.toggle("own", mark === "own");
      line.classList.toggle("caller", mark === "caller");
    }
    this.underline(chosen);
    if (scroll) this.scroll(Math.min(...[...marks].filter(([, mark]) => mark === "own").map(([line]) => line)));
  }

  /** Highlight the text of the selected call, if the browser supports it without changing the document. */
  underline(chosen) {
    if (!globalThis.CSS?.highlights) return;
    CSS.highlights.delete("own");
    const at = chosen?.piece.at;
    if (!at || at[0] !== this.file || at[1] !== at[3]) return;
    const text = this.code.children[at[1] - 1]?.querySelector("code");
    const [start, end] = [pointAt(text, at[2] - 1), pointAt(text, at[4] - 1)];
    if (!start || !end) return;
    const range = new Range();
    range.setStart(...start);
    range.setEnd(...end);
    CSS.highlights.set("own", new Highlight(range));
  }

  scroll(number) {
    const line = this.code.children[number - 1];
    if (!line) return;
    const { top, bottom } = line.getBoundingClientRect();
    const around = this.code.getBoundingClientRect();
    if (top < around.top + 20 || bottom > around.bottom - 20) {
      this.code.scrollTop += top - around.top - around.height / 3;
    }
  }

  clicked(event) {
    const line = event.target.closest(".line");
    if (line && !getSelection().toString()) this.app.chooseLine(this.network, this.file, Number(line.dataset.line));
  }
}

/** The text node and offset of a column in an element. */
function pointAt(element, column) {
  if (!element) return null;
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = column;
  while (walker.nextNode()) {
    const node = walker.currentNode;
    // Columns count code points; JavaScript strings count UTF-16 code units.
    const characters = [...node.data];
    if (left <= characters.length) return [node, characters.slice(0, left).join("").length];
    left -= characters.length;
  }
  return null;
}

/** File names without their common folders. */
function shortNames(names) {
  const last = names.map(name => name.split("/").at(-1));
  return names.map((name, index) => (last.filter(each => each === last[index]).length > 1 ? name : last[index]));
}

/** The items that a source line creates: those that begin in it, or else the innermost around it. */
function itemsOfLine(network, file, line) {
  const here = network.items.filter(({ piece: { at }, kind }) => at[0] === file && kind !== "run");
  const starting = here.filter(({ piece: { at } }) => at[1] === line);
  if (starting.length) return starting;
  const around = here.filter(({ piece: { at } }) => at[1] < line && line <= at[3]);
  const least = Math.min(...around.map(({ piece: { at } }) => at[3] - at[1]));
  return around.filter(({ piece: { at } }) => at[3] - at[1] === least);
}
