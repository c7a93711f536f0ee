// One network on the screen. Only visible boxes are in the document, so deep networks scroll fast.

const MARGIN = 240; // pixels drawn around the visible part
const LEAST = 1.2; // pixels: smaller boxes are not drawn
const LEAST_OPEN = 26; // pixels: smaller frames are drawn without contents
const CHEVRON = 32; // the corner of a scope that folds and unfolds it
const LEGIBLE = 0.3; // scale below which text is left out

class Canvas {
  /** `state` has the selection and the highlights (see `App`); `act` handles user actions. */
  constructor(host, network, number, state, act) {
    Object.assign(this, { host, network, number, state, act });
    this.folding = new Folding(network);
    this.drawn = new Map();
    this.identifiers = new Map();
    this.litCounts = new Map();
    this.layers = ["frames", "wires", "cards"].map(name => svg("g", { class: name }));
    this.world = svg("g", {}, this.layers);
    this.picture = svg(
      "svg",
      {
        class: "picture",
        tabindex: "0",
        role: "tree",
        "aria-label": `the network ${network.name}`,
      },
      this.world,
    );
    host.replaceChildren(this.picture);
    this.camera = new Camera(host, () => this.soon());
    this.picture.addEventListener("click", event => this.clicked(event));
    new ResizeObserver(() => this.soon()).observe(host);
    this.arrange();
  }

  /** Update the layout. `anchor` is an item whose box keeps its position on the screen. */
  arrange(anchor = null) {
    const before = anchor && this.boxOf(anchor);
    this.root = layOut(this.network, this.folding);
    this.boxes = [...this.root.seen()].filter(box => box !== this.root);
    this.byKey = new Map(this.boxes.map(box => [box.item.key, box]));
    this.wires = this.collectWires();
    const after = anchor && this.boxOf(anchor);
    if (before && after) {
      const { camera } = this;
      camera.stop();
      camera.x += (before.axis - after.axis) * camera.scale;
      camera.y += (before.y - after.y) * camera.scale;
    }
    this.soon();
  }

  collectWires() {
    const wires = [];
    const pending = [this.root];
    while (pending.length) {
      const box = pending.pop();
      for (const wire of box.wires) wires.push(Object.assign(wire, { bounds: boundsOf(wire.points) }));
      pending.push(...box.boxes);
    }
    return wires;
  }

  /** The visible box of an item. */
  boxOf(item) {
    return this.byKey?.get(this.folding.seen(item).key);
  }

  soon() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.draw();
    });
  }

  draw() {
    const { camera } = this;
    if (!camera.width || !camera.height) return;
    this.world.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.scale})`);
    this.picture.classList.toggle("distant", camera.scale < LEGIBLE);
    const seen = camera.seen(MARGIN);
    const boxes = this.visible(seen);
    this.state.heat.scale(this.boxes);
    const wanted = new Map();
    for (const box of boxes) {
      const look = this.lookOf(box);
      wanted.set(`box ${box.item.key}`, {
        layer: box.form === "open" ? 0 : 2,
        signature: signed(box, look),
        paint: () => paintBox(box, look),
        dress: element => dressBox(element, look),
      });
    }
    if (camera.scale > 0.08) {
      this.wires.forEach((wire, place) => {
        if (!overlaps(wire.bounds, seen)) return;
        const look = { chosen: this.isChosen(wire) };
        wanted.set(`wire ${place}`, {
          layer: 1,
          signature: String(wire.points),
          paint: () => paintWire(wire),
          dress: element => dressWire(element, look),
        });
      });
    }
    this.replace(wanted);
    this.picture.setAttribute("aria-activedescendant", this.chosenIdentifier() ?? "");
  }

  /** Boxes to draw, in preorder. */
  visible(seen) {
    const { scale } = this.camera;
    const boxes = [];
    const visit = box => {
      if (
        !overlaps({ left: box.x - 12, top: box.y - 12, right: box.x + box.width + 180, bottom: box.bottom + 12 }, seen)
      )
        return;
      if (box.form !== "join" && box !== this.root) {
        if (box.height * scale < LEAST) return;
        boxes.push(box);
        if (box.form === "open" && box.height * scale < LEAST_OPEN) return;
      }
      box.boxes.forEach(visit);
    };
    visit(this.root);
    return boxes;
  }

  /** Update the elements of the document; unchanged ones are kept. */
  replace(wanted) {
    for (const [key, { element, signature }] of this.drawn) {
      if (wanted.get(key)?.signature !== signature) {
        element.remove();
        this.drawn.delete(key);
      }
    }
    for (const [key, { layer, signature, paint, dress }] of wanted) {
      if (!this.drawn.has(key)) {
        const element = paint();
        this.drawn.set(key, { element, signature });
        this.layers[layer].append(element);
      }
      dress(this.drawn.get(key).element);
    }
    // Frames are nested: outer ones first.
    const frames = [...wanted].filter(([, { layer }]) => layer === 0).map(([key]) => this.drawn.get(key).element);
    const isOrdered = frames.every((element, place) => this.layers[0].children[place] === element);
    if (!isOrdered) this.layers[0].append(...frames);
  }

  lookOf(box) {
    const { state } = this;
    const { item } = box;
    const isOpen = box.form === "open";
    const warmth = state.heat.isOn && !isOpen ? state.heat.warmth(item) : null;
    return {
      id: this.identifier(item),
      chosen: state.chosen?.item === item,
      partner: state.partner?.item === item,
      lit: this.litIn(item, isOpen),
      mark: state.marks ? state.marks[this.number].of(item, isOpen) : null,
      warmth,
      share: warmth ? state.heat.share(item) : null,
      solid: isOpen && box.height * this.camera.scale < LEAST_OPEN,
    };
  }

  /** The number of highlighted items in this box. */
  litIn(item, isOpen) {
    if (!this.state.lit.size) return 0;
    if (isOpen) return this.state.lit.has(item) ? 1 : 0;
    return this.litCounts.get(item) ?? 0;
  }

  /** Call after the highlights have changed. */
  light() {
    this.litCounts = new Map();
    for (const item of this.state.lit) {
      if (item.network !== this.network) continue;
      const shown = this.folding.seen(item);
      this.litCounts.set(shown, (this.litCounts.get(shown) ?? 0) + 1);
    }
    this.soon();
  }

  isChosen(wire) {
    const item = this.state.chosen?.item;
    if (!item || item.network !== this.network) return false;
    return wire.target?.item === item || (wire.source === item.output && !this.folding.isOpen(item));
  }

  identifier(item) {
    if (!this.identifiers.has(item)) this.identifiers.set(item, `box-${this.number}-${this.identifiers.size}`);
    return this.identifiers.get(item);
  }

  chosenIdentifier() {
    const item = this.state.chosen?.item;
    return item?.network === this.network && this.drawn.has(`box ${item.key}`) ? this.identifier(item) : null;
  }

  /** The innermost box under the pointer, by position: its element may have been replaced. */
  boxAt(event) {
    const { left, top } = this.picture.getBoundingClientRect();
    const { camera } = this;
    const [x, y] = [(event.clientX - left - camera.x) / camera.scale, (event.clientY - top - camera.y) / camera.scale];
    const box = this.boxes.findLast(each => each.x <= x && x <= each.x + each.width && each.y <= y && y <= each.bottom);
    return { box, isOnChevron: Boolean(box?.item.isFrame) && x < box.x + CHEVRON && y < box.y + CHEVRON };
  }

  /** A click selects, a double click folds. */
  clicked(event) {
    if (this.camera.wasDragged) return;
    const { box, isOnChevron } = this.boxAt(event);
    const isSecond = event.detail === 2;
    if (isOnChevron ? !isSecond : isSecond && box?.item.isFrame) this.act.fold(this, box.item);
    else if (!isOnChevron) this.act.choose(box?.item ?? null);
  }

  toggle(item) {
    this.folding.toggle(item);
    this.arrange(item);
    this.light();
    const box = this.boxOf(item);
    if (box) this.camera.include(box);
  }

  /** Unfold the scopes around an item and scroll to it. */
  reveal(item, options) {
    const wasSeen = this.folding.seen(item) === item;
    this.folding.reveal(item);
    if (!wasSeen) this.arrange();
    this.light();
    const box = this.boxOf(item);
    if (box) this.camera.show(box, { centred: !wasSeen, ...options });
  }
}

function boundsOf(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

function overlaps(one, other) {
  return one.left <= other.right && one.right >= other.left && one.top <= other.bottom && one.bottom >= other.top;
}

/** The state that requires a new element. For other changes the element is kept: the mouse may be over it. */
function signed(box, { chosen, partner, ...look }) {
  return [box.form, box.x, box.y, box.width, box.height, ...Object.values(look)].join(" ");
}
