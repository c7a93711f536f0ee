// Costs as colours, relative to the most expensive visible box.

const METRICS = {
  none: null,
  macs: { index: 2, name: "MACs", write: count => short(count) },
  parameters: { index: 0, name: "parameters", write: count => short(count) },
  activations: { index: 3, name: "activations", write: count => short(count) },
};

class Heat {
  constructor() {
    this.metric = "none";
    this.most = 0;
  }

  get isOn() {
    return this.metric !== "none";
  }

  costOf(item) {
    return item.cost[METRICS[this.metric].index];
  }

  /** Set the reference of the colours: the most expensive of these boxes. */
  scale(boxes) {
    this.most = 0;
    if (!this.isOn) return;
    for (const box of boxes) if (box.form !== "open") this.most = Math.max(this.most, this.costOf(box.item));
  }

  /** 0 to 1. The square root keeps small costs distinct, which differ by orders of magnitude. */
  warmth(item) {
    return this.most ? Math.sqrt(this.costOf(item) / this.most) : 0;
  }

  share(item) {
    const whole = this.costOf(item.network.root);
    const part = this.costOf(item);
    return part ? percent(part, whole) : "";
  }
}
