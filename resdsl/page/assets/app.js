// The page: its state, and updates of its parts.

class App {
  constructor(data) {
    this.state = {
      heat: new Heat(),
      chosen: null,
      partner: null,
      line: null,
      lit: new Set(),
      marks: null,
      comparison: null,
    };
    const by = id => document.getElementById(id);
    this.host = by("canvases");
    this.details = new Details(by("details"), this);
    this.source = new SourceView(by("source"), this);
    this.search = new Search(by("search"), by("matches"), this);
    this.preferences = new Preferences(by("theme"));
    this.help = helpDialog(by("help"));
    this.canvases = [];
    this.listen(by);
    listenToKeys(this);
    this.build(data);
    this.openHash();
  }

  get active() {
    return this.canvases[this.activeNumber] ?? this.canvases[0];
  }

  listen(by) {
    by("keys").addEventListener("click", () => this.help.showModal());
    by("unfold").addEventListener("click", () => this.foldAll(false));
    by("fold").addEventListener("click", () => this.foldAll(true));
    by("fit").addEventListener("click", () => this.canvases.forEach(({ camera, root }) => camera.fit(root)));
    by("larger").addEventListener("click", () => this.active?.camera.zoom(1.25));
    by("smaller").addEventListener("click", () => this.active?.camera.zoom(0.8));
    by("heat").addEventListener("change", event => this.colourBy(event.target.value));
    this.panes = [...document.querySelectorAll("[data-shows]")];
    for (const tab of this.panes) tab.addEventListener("click", () => this.showPane(tab.dataset.shows));
    addEventListener("hashchange", () => this.openHash());
  }

  // --- building ---

  build(data) {
    const networks = data.networks.map(each => new Network(each));
    const { comparison } = data;
    document.body.classList.toggle("two", networks.length > 1);
    this.canvases = networks.map((network, number) => this.canvas(network, number, networks.length));
    this.activeNumber = networks.length - 1;
    this.state.comparison = comparison;
    this.state.marks =
      comparison && networks.map((network, side) => new Marks(comparison.marks[side], network.root.leaves));
    this.pairs = comparison && new Pairs(comparison.pairs, networks);
    this.host.replaceChildren(...this.canvases.map(canvas => canvas.frame));
    if (!networks.length) return;
    if (comparison) this.openChanges();
    for (const { camera, root } of this.canvases) camera.fit(root, { readable: true });
    const least = Math.min(...this.canvases.map(({ camera }) => camera.scale));
    for (const { camera } of this.canvases) camera.zoom(least / camera.scale, camera.width / 2, camera.y);
    this.heading();
    this.source.open(this.active.network, 0);
    this.refresh();
  }

  canvas(network, number, of) {
    const host = h("div", { class: "canvas" });
    const title = of > 1 && h("p", { class: "side" }, h("b", {}, number ? "new" : "old"), ` ${network.source}`);
    const frame = h(
      "section",
      { class: "side-by-side", "aria-label": of > 1 ? (number ? "new" : "old") : "picture" },
      title,
      host,
    );
    const canvas = new Canvas(host, network, number, this.state, this);
    host.addEventListener("pointerdown", () => {
      this.activeNumber = number;
    });
    canvas.picture.addEventListener("focus", () => {
      this.activeNumber = number;
    });
    return Object.assign(canvas, { frame });
  }

  /** Unfold both networks at the changes. */
  openChanges() {
    const { marks } = this.state;
    for (const canvas of this.canvases) {
      for (const item of scopesWithChanges(canvas.network, marks[canvas.number])) {
        canvas.folding.unfold(item);
        const partner = this.pairs.of(item);
        if (!partner?.isFrame) continue;
        const other = this.canvasOf(partner);
        other.folding.reveal(partner);
        other.folding.unfold(partner);
      }
    }
    for (const canvas of this.canvases) canvas.arrange();
  }

  heading() {
    const networks = this.canvases.map(canvas => canvas.network);
    const both = write => [...new Set(networks.map(write))].join(" → ");
    document.getElementById("name").textContent = both(network => network.name);
    document.getElementById("figures").textContent = [
      `${both(({ cost }) => short(cost[0]))} parameters`,
      `${both(({ cost }) => short(cost[2]))} MACs`,
      `depth ${both(({ depth }) => exact(depth))}`,
    ].join(" · ");
  }

  /** Load a newer version; unfolded scopes and the selection are kept if they still exist. */
  update(data) {
    const before = this.canvases.map(({ folding, camera }) => ({
      open: folding.open,
      x: camera.x,
      y: camera.y,
      scale: camera.scale,
    }));
    const path = this.state.chosen?.item.key;
    Object.assign(this.state, { chosen: null, partner: null, line: null, lit: new Set() });
    const file = this.source.file ?? 0;
    this.build(data);
    this.canvases.forEach((canvas, number) => {
      if (!before[number]) return;
      for (const key of before[number].open) canvas.folding.open.add(key);
      canvas.arrange();
      const { x, y, scale } = before[number];
      canvas.camera.go(x, y, scale, { instantly: true });
    });
    this.source.open(this.active.network, Math.min(file, this.active.network.files.length - 1));
    const item = path && this.active.network.find(path);
    if (item) this.choose(item);
  }

  // --- selection ---

  canvasOf(item) {
    return this.canvases.find(canvas => canvas.network === item.network);
  }

  partnerOf(item) {
    return this.pairs ? this.pairs.of(item) : null;
  }

  choose(item, { reveal = false, keepLit = false } = {}) {
    if (!item) return this.letGo();
    const canvas = this.canvasOf(item);
    this.activeNumber = canvas.number;
    const partner = this.partnerOf(item);
    Object.assign(this.state, { chosen: { item }, partner: partner && { item: partner }, line: null });
    if (!keepLit && this.state.lit.size) this.light([]);
    if (reveal) canvas.reveal(item);
    if (partner) this.canvasOf(partner).reveal(partner, {});
    const [file] = item.piece.at;
    if (file >= 0) this.source.open(item.network, file);
    this.refresh({ scroll: true });
    this.say(spoken(item));
    this.keepHash(item);
    return this.showPane("details");
  }

  letGo() {
    Object.assign(this.state, { chosen: null, partner: null, line: null });
    this.light([]);
    this.refresh();
    this.keepHash(null);
  }

  chooseLine(network, file, number) {
    const items = itemsOfLine(network, file, number);
    const name = network.files[file].name;
    Object.assign(this.state, { chosen: null, partner: null, line: { network, file, name, number, items } });
    this.light(items);
    this.refresh();
    const canvas = this.canvases.find(each => each.network === network);
    const first = items.find(item => item.parent);
    const box = first && canvas.boxOf(first);
    if (box) canvas.camera.show(box);
    this.say(`line ${number} makes ${plural(items.length, "piece")}`);
  }

  /** Highlight items in the picture. */
  light(items) {
    this.state.lit = new Set(items);
    for (const canvas of this.canvases) canvas.light();
  }

  /** Go to the items of a change. */
  visit(items) {
    this.light(items);
    for (const canvas of this.canvases) {
      const first = items.find(item => item.network === canvas.network);
      if (first) canvas.reveal(first, { centred: true });
    }
    const last = items.findLast(item => item.network === this.canvases.at(-1).network) ?? items[0];
    const first = items.find(item => item.network === last.network);
    this.choose(first, { reveal: true, keepLit: true });
  }

  /** Go to the next highlighted item, or the next change. */
  step(by) {
    const canvas = this.active;
    const marks = this.state.marks?.[canvas.number];
    const isChange = item => item.isLeaf && TOUCHED.includes(marks.marks[item.first]);
    const lit = [...this.state.lit].filter(item => item.network === canvas.network);
    const items = lit.length ? lit : marks ? canvas.network.items.filter(isChange) : [];
    if (!items.length) return;
    const at = items.indexOf(this.state.chosen?.item);
    this.choose(items[(at + by + items.length) % items.length], { reveal: true, keepLit: true });
  }

  /** The item and the calls that led to it, innermost first, with their source locations. */
  chainOf(item) {
    const steps = [{ item, at: item.piece.at }];
    for (let around = item.frame; around; around = around.frame) {
      const { kind, at } = around.piece;
      if (around.kind !== "run" && kind !== "group" && at[0] >= 0) steps.push({ item: around, at });
    }
    return steps.filter(({ at }) => at[0] >= 0);
  }

  fileName(item, file) {
    return shortNames(item.network.files.map(({ name }) => name))[file];
  }

  showSource(item) {
    this.source.open(item.network, item.piece.at[0]);
    this.source.mark();
    this.source.scroll(item.piece.at[1]);
    this.showPane("source");
  }

  // --- folding, colours ---

  fold(canvas, item) {
    canvas.toggle(item);
    const partner = this.partnerOf(item);
    if (partner?.isFrame) {
      const other = this.canvasOf(partner);
      if (other.folding.isOpen(partner) !== canvas.folding.isOpen(item)) other.toggle(partner);
    }
  }

  foldAll(isFolded) {
    for (const canvas of this.canvases) {
      const chosen = this.state.chosen?.item;
      const anchor = chosen?.network === canvas.network ? chosen : null;
      isFolded ? canvas.folding.overview() : canvas.folding.all();
      canvas.arrange(anchor);
      canvas.light();
      if (!anchor) canvas.camera.fit(canvas.root, { readable: true });
    }
  }

  colourBy(metric) {
    this.state.heat.metric = metric;
    document.body.classList.toggle("heated", metric !== "none");
    document.querySelector(`#heat input[value=${metric}]`).checked = true;
    document.getElementById("legend-name").textContent = METRICS[metric]?.name ?? "";
    for (const canvas of this.canvases) canvas.soon();
    if (!this.state.chosen && !this.state.line) this.details.show();
  }

  nextMetric() {
    const names = Object.keys(METRICS);
    this.colourBy(names[(names.indexOf(this.state.heat.metric) + 1) % names.length]);
  }

  // --- notifications ---

  refresh({ scroll = false } = {}) {
    this.details.show();
    this.source.mark({ scroll });
    for (const canvas of this.canvases) canvas.soon();
  }

  say(text) {
    document.getElementById("status").textContent = text;
  }

  /** Select the visible pane on narrow screens. */
  showPane(name) {
    document.body.dataset.pane = name;
    for (const tab of this.panes) tab.setAttribute("aria-pressed", String(tab.dataset.shows === name));
  }

  keepHash(item) {
    const hash = item?.parent ? `#${encodeURIComponent(item.key)}` : " ";
    try {
      history.replaceState(null, "", hash === " " ? location.pathname + location.search : hash);
    } catch {
      /* a page inside another may have no address of its own */
    }
  }

  openHash() {
    const item = this.active?.network.find(decoded(location.hash.slice(1)));
    if (item?.parent && item !== this.state.chosen?.item) this.choose(item, { reveal: true });
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const app = new App(JSON.parse(document.getElementById("data").textContent));
if (document.documentElement.dataset.version) followServer(app, document.documentElement.dataset.version);
