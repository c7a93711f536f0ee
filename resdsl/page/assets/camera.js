// Panning and zooming: by mouse, wheel, touch, and on command.

const SCALE = { least: 0.02, most: 3, start: 1 };

class Camera {
  /** `changed` is called after each move; `host` is the viewport element. */
  constructor(host, changed) {
    this.host = host;
    this.changed = changed;
    this.x = this.y = 0;
    this.scale = SCALE.start;
    this.pointers = new Map();
    this.wasDragged = false;
    this.listen();
  }

  get width() {
    return this.host.clientWidth;
  }
  get height() {
    return this.host.clientHeight;
  }

  /** The visible part of the picture, extended by `margin` pixels. */
  seen(margin) {
    const { scale } = this;
    return {
      left: -(this.x + margin) / scale,
      top: -(this.y + margin) / scale,
      right: (this.width + margin - this.x) / scale,
      bottom: (this.height + margin - this.y) / scale,
    };
  }

  moveBy(dx, dy) {
    this.stop();
    this.x += dx;
    this.y += dy;
    this.changed();
  }

  /** Zoom by a factor around the screen position (`x`, `y`). */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    this.stop();
    const scale = Math.min(SCALE.most, Math.max(SCALE.least, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.changed();
  }

  /** Show the whole picture, or its beginning if the whole would be illegible. */
  fit(root, { readable = false } = {}) {
    const pad = Math.min(36, this.width / 16);
    const wide = (this.width - 2 * pad) / root.width;
    const high = (this.height - 2 * pad) / root.height;
    const whole = Math.min(wide, high, 1.25);
    // A network of a thousand layers would be too thin to see.
    const scale = readable
      ? Math.min(1.1, Math.max(whole, Math.min(wide, 0.8)))
      : Math.max(whole, Math.min(wide, 60 / root.width));
    const spare = this.height - root.height * scale;
    // Centre the axis of the network, unless its branches would not fit.
    const axis = this.width / 2 - root.axis * scale;
    const centred = (this.width - root.width * scale) / 2;
    const isInside = axis >= pad && axis + root.width * scale <= this.width - pad;
    this.go(isInside ? axis : centred, spare > 2 * pad ? spare / 2 : pad, scale, { instantly: readable });
  }

  /** Scroll a box into view with the least movement, including its surroundings if they fit. */
  show(box, { centred = false } = {}) {
    const pad = 20;
    const scale = Math.max(this.scale, 0.55);
    const head = Math.min(box.height, box.form === "open" ? 90 : box.height) * scale;
    const top = box.y * scale + this.y;
    const isSeen = this.scale === scale && top > pad && top + head < this.height - pad;
    const y = isSeen && !centred ? this.y : this.height * 0.4 - box.y * scale - head / 2;
    let wide = box;
    for (
      let around = box.around;
      around?.around && around.width * scale <= this.width - 2 * pad;
      around = around.around
    )
      wide = around;
    const [left, right] = [pad - wide.x * scale, this.width - pad - (wide.x + wide.width) * scale];
    const x = this.scale === scale ? this.x : this.width / 2 - wide.axis * scale;
    this.go(left > right ? this.width / 2 - box.axis * scale : Math.max(left, Math.min(x, right)), y, scale);
  }

  /** Scroll, and zoom out if needed, to show the full width of a box and as much of its height as possible. */
  include(box) {
    const pad = 20;
    const room = this.width - 2 * pad;
    const scale = Math.max(Math.min(this.scale, room / box.width), Math.min(this.scale, 0.5));
    // The top of the box stays in place if the rest fits.
    const top = box.y * this.scale + this.y;
    const overhang = Math.max(0, top + box.height * scale + pad - this.height);
    const y = top - Math.max(0, Math.min(overhang, top - 3 * pad)) - box.y * scale;
    const right = this.width - pad - (box.x + box.width) * scale;
    const left = pad - box.x * scale;
    const x = Math.max(Math.min(this.x + box.axis * (this.scale - scale), right), left);
    if (x !== this.x || y !== this.y || scale !== this.scale) this.go(x, y, scale);
  }

  go(x, y, scale, { instantly = false } = {}) {
    this.stop();
    const still = instantly || matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still) {
      Object.assign(this, { x, y, scale });
      this.changed();
      return;
    }
    const from = { x: this.x, y: this.y, scale: this.scale };
    const begin = performance.now();
    const step = now => {
      const t = Math.min(1, Math.max(0, (now - begin) / 220));
      const eased = 1 - (1 - t) ** 3;
      for (const [name, end] of Object.entries({ x, y, scale })) this[name] = from[name] + (end - from[name]) * eased;
      this.changed();
      this.frame = t < 1 ? requestAnimationFrame(step) : null;
    };
    this.frame = requestAnimationFrame(step);
  }

  stop() {
    if (this.frame) cancelAnimationFrame(this.frame);
    this.frame = null;
  }

  listen() {
    const { host } = this;
    host.addEventListener(
      "wheel",
      event => {
        event.preventDefault();
        const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : 1;
        const { left, top } = host.getBoundingClientRect();
        // Touchpad pinches arrive as wheel events with Ctrl.
        if (event.ctrlKey || event.metaKey)
          this.zoom(Math.exp(-event.deltaY * unit * 0.004), event.clientX - left, event.clientY - top);
        else if (event.shiftKey) this.moveBy(-event.deltaY * unit, 0);
        else this.moveBy(-event.deltaX * unit, -event.deltaY * unit);
      },
      { passive: false },
    );
    host.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      if (!this.pointers.size) this.wasDragged = false;
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    host.addEventListener("pointermove", event => this.drag(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      host.addEventListener(end, event => {
        this.pointers.delete(event.pointerId);
        host.classList.remove("dragged");
      });
    }
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    if (!this.wasDragged && Math.hypot(dx, dy) < 4) return;
    if (!this.wasDragged) {
      this.wasDragged = true;
      this.host.setPointerCapture(event.pointerId);
      this.host.classList.add("dragged");
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (!others.length) {
      this.moveBy(dx, dy);
      return;
    }
    const { left, top } = this.host.getBoundingClientRect();
    const [ox, oy] = others[0][1];
    const apart = ([x, y]) => Math.max(1, Math.hypot(x - ox, y - oy));
    this.zoom(
      apart([event.clientX, event.clientY]) / apart(before),
      (ox + event.clientX) / 2 - left,
      (oy + event.clientY) / 2 - top,
    );
    this.moveBy(dx / 2, dy / 2);
  }
}
