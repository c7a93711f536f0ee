// The details panel: the selected item, or the network if nothing is selected.

const MOST_LISTED = 40;
const MOST_BARS = 10;

class Details {
  constructor(host, app) {
    this.host = host;
    this.app = app;
  }

  show() {
    const { chosen, line } = this.app.state;
    const parts = chosen ? this.item(chosen.item) : line ? this.line(line) : this.overview();
    this.host.replaceChildren(...parts.flat().filter(Boolean));
    this.host.scrollTop = 0;
  }

  // --- an item ---

  item(item) {
    return [
      this.crumbs(item),
      h("h2", {}, item.label || item.network.name, h("span", { class: "kind" }, kindOf(item))),
      h("p", { class: "code call" }, callText(item)),
      this.flow(item),
      this.costs(item),
      this.changedFrom(item),
      this.argumentsOf(item),
      this.tensors(item),
      this.neighbours(item),
      this.origin(item),
    ];
  }

  crumbs(item) {
    const chain = [];
    for (let around = item.frame; around; around = around.frame) chain.unshift(around);
    const links = chain.map(each => [
      this.link(each, each.label || each.network.name),
      h("span", { class: "quiet" }, " › "),
    ]);
    return h(
      "nav",
      { class: "crumbs", "aria-label": "location" },
      links,
      h("span", {}, item.label || item.network.name),
    );
  }

  link(item, text = item.path || item.network.inputName) {
    return h(
      "button",
      { class: "link", title: item.path, onclick: () => this.app.choose(item, { reveal: true }) },
      text,
    );
  }

  flow(item) {
    if (item.isLeaf && item.piece.op === "input")
      return h("p", { class: "shapes" }, h("b", {}, fullShape(item.type)), ` ${item.type.dtype}`);
    const same = fullShape(item.inputType) === fullShape(item.type);
    return h(
      "p",
      { class: "shapes" },
      !same && [h("span", {}, fullShape(item.inputType)), h("span", { class: "arrow" }, " → ")],
      h("b", {}, fullShape(item.type)),
    );
  }

  costs(item) {
    const whole = item.network.cost;
    const [parameters, buffers, macs, activations, memory] = item.cost;
    const row = (name, value, share, title) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", { title }, value),
        h("td", { class: "share" }, share && [bar(share[0] / (share[1] || 1)), percent(...share)]),
      );
    const rows = [];
    if (parameters) rows.push(row("parameters", exact(parameters), [parameters, whole[0]]));
    if (buffers) rows.push(row("buffers", exact(buffers)));
    if (macs) rows.push(row("MACs", exact(macs), [macs, whole[2]]));
    rows.push(row("activations", exact(activations), [activations, whole[3]], bytes(memory)));
    rows.push(row("memory", bytes(memory)));
    rows.push(
      h("tr", {}, h("th", { scope: "row" }, "receptive field"), h("td", { colspan: 2 }, fieldText(item.field))),
    );
    if (!item.isLeaf)
      rows.push(h("tr", {}, h("th", { scope: "row" }, "operators"), h("td", { colspan: 2 }, exact(item.leaves))));
    return [h("table", { class: "figures" }, h("tbody", {}, rows)), this.counted(item.network)];
  }

  counted(network) {
    const sizes = Object.entries(network.at).map(([name, size]) => `${name} = ${size}`);
    return sizes.length > 0 && h("p", { class: "note" }, `MACs and activations are computed for ${sizes.join(", ")}`);
  }

  /** In a comparison: the mark, and a link to the counterpart. */
  changedFrom(item) {
    const { marks, comparison } = this.app.state;
    if (!marks) return null;
    const mark = marks[item.network === this.app.canvases[0].network ? 0 : 1].of(item, false);
    const partner = this.app.partnerOf(item);
    const meanings = {
      added: "added",
      removed: "removed",
      changed: "changed",
      moved: "moved",
      renamed: "renamed",
      inside: "changed inside",
      follows: "follows a change elsewhere: other shapes only",
    };
    return (
      comparison &&
      h(
        "p",
        { class: `mark-line mark-${mark || "same"}` },
        meanings[mark] ?? "unchanged",
        partner && [" · ", this.link(partner, `counterpart: ${callText(partner)} → ${fullShape(partner.type)}`)],
      )
    );
  }

  argumentsOf(item) {
    const { piece } = item;
    if (!piece.arguments.length) return null;
    return section(
      "Arguments",
      h(
        "dl",
        { class: "arguments" },
        piece.arguments.map(([name, value, isGiven]) => [
          h("dt", {}, name),
          h("dd", { class: isGiven ? "given" : "quiet" }, value),
        ]),
      ),
    );
  }

  tensors(item) {
    const { tensors } = item.piece;
    if (!tensors?.length) return null;
    return section(
      "Tensors",
      h(
        "ul",
        { class: "tensors" },
        tensors.map(([name, shape, isTrained]) =>
          h(
            "li",
            {},
            h("span", { class: "code" }, `${item.path}.${name}`),
            h("span", { class: "quiet code" }, shape),
            !isTrained && h("span", { class: "quiet" }, "buffer"),
          ),
        ),
      ),
    );
  }

  neighbours(item) {
    const { network } = item;
    const before = item.isLeaf && item.piece.op === "input" ? [] : [...item.taken].map(leaf => network.leaf(leaf));
    const after = network.takers[item.output].filter(leaf => !item.contains(leaf)).map(leaf => network.leaf(leaf));
    const names = network.outputs.get(item.output) ?? [];
    const list = (title, items) =>
      items.length > 0 && [
        h("dt", {}, title),
        h(
          "dd",
          {},
          items.slice(0, 6).map(each => h("div", {}, this.link(each))),
        ),
      ];
    return section(
      "Flow",
      h(
        "dl",
        { class: "arguments" },
        list("from", before),
        list("to", after),
        names.length > 0 && [h("dt", {}, "output"), h("dd", {}, names.join(", "))],
      ),
    );
  }

  /** The source location, and the calls that led there, innermost first. */
  origin(item) {
    const steps = this.app.chainOf(item);
    return section(
      "Source",
      h(
        "ol",
        { class: "chain" },
        steps.map(({ item: each, at }) =>
          h(
            "li",
            {},
            h(
              "button",
              { class: "link code", onclick: () => this.app.showSource(each) },
              `${this.app.fileName(each, at[0])}:${at[1]}`,
            ),
            each !== item && h("span", { class: "quiet" }, ` ${each.label ? `${each.label}: ` : ""}${each.piece.call}`),
          ),
        ),
      ),
    );
  }

  // --- a line of source ---

  line({ name, number, items }) {
    const shown = items.slice(0, MOST_LISTED);
    return [
      h("h2", {}, `${name}:${number}`, h("span", { class: "kind" }, "line")),
      h(
        "p",
        {},
        items.length
          ? `creates ${plural(items.length, "item")} of the network`
          : "creates no part of the network",
      ),
      h(
        "ul",
        { class: "match-list" },
        shown.map(item => h("li", {}, this.link(item), h("span", { class: "quiet" }, ` ${callText(item)}`))),
      ),
      items.length > shown.length && h("p", { class: "note" }, `and ${exact(items.length - shown.length)} more`),
    ];
  }

  // --- the network ---

  overview() {
    const { comparison } = this.app.state;
    if (comparison) return changesPanel(comparison, this.app);
    const { network } = this.app.canvases[0];
    const [parameters, buffers, macs, activations, memory] = network.cost;
    const rows = [
      ["parameters", exact(parameters)],
      ["buffers", buffers && exact(buffers)],
      ["MACs", macs && exact(macs)],
      ["activations", `${exact(activations)} (${bytes(memory)})`],
      ["depth", plural(network.depth, "weighted layer")],
      ["operators", exact(network.root.leaves - 1)],
    ].filter(([, value]) => value);
    return [
      h("h2", {}, network.name, h("span", { class: "kind" }, "model")),
      h(
        "dl",
        { class: "arguments ends" },
        h("dt", {}, network.inputName),
        h("dd", {}, fullShape(network.leaf(0).type)),
        [...network.outputs].map(([leaf, names]) => [
          h("dt", {}, `→ ${names.join(", ")}`),
          h("dd", {}, fullShape(network.leaf(leaf).type)),
        ]),
      ),
      h(
        "table",
        { class: "figures" },
        h(
          "tbody",
          {},
          rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { colspan: 2 }, value))),
        ),
      ),
      this.counted(network),
      this.whereCostIs(network),
      h("p", { class: "note" }, "Click a box or a source line. ", h("kbd", {}, "?"), " lists the keys."),
    ];
  }

  /** The parts of the network as bars, by the selected cost. */
  whereCostIs(network) {
    const { heat } = this.app.state;
    const metric = METRICS[heat.isOn ? heat.metric : "macs"];
    const cost = item => item.cost[metric.index];
    const parts = partsOf(network.root)
      .filter(item => item.piece.kind !== "aux" && cost(item))
      .sort((one, other) => cost(other) - cost(one));
    if (parts.length < 2) return null;
    return section(
      `${metric.name} by part`,
      h(
        "ul",
        { class: "bars" },
        parts
          .slice(0, MOST_BARS)
          .map(item =>
            h(
              "li",
              {},
              this.link(item, /^\d/.test(item.label) ? callText(item) : item.label),
              bar(cost(item) / cost(parts[0])),
              h("span", { class: "figures" }, percent(cost(item), cost(network.root))),
            ),
          ),
      ),
    );
  }
}

function section(title, ...content) {
  return h("section", {}, h("h3", {}, title), content);
}

function bar(share) {
  const inner = h("i", {});
  inner.style.width = `${Math.max(1, 100 * share)}%`;
  return h("span", { class: "bar" }, inner);
}
