// Keyboard control of all functions.

const KEYS = [
  ["↓ ↑", "select the next or previous box"],
  ["→", "unfold, or enter"],
  ["←", "fold, or go to the parent"],
  ["Enter, Space", "fold or unfold"],
  ["Home, End", "select the first or last box"],
  ["/", "search; ↓ ↑ select a match, Enter opens it"],
  ["n, N", "go to the next or previous match or change"],
  ["h", "colour by MACs, parameters, activations or resolution"],
  ["e, E", "unfold everything, fold everything"],
  ["+, −, 0", "zoom in, zoom out, show the whole picture"],
  ["Tab", "switch between picture, details and source"],
  ["d", "switch between dark and light"],
  ["Esc", "clear the selection"],
  ["?", "list all keys"],
];

function listenToKeys(app) {
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.matches("input:not([type=radio])");
    if (isTyping || document.querySelector("dialog[open]")) return;
    const isInPicture = event.target === document.body || event.target.closest(".canvas");
    const action = ANYWHERE[event.key] ?? (isInPicture ? IN_PICTURE[event.key] : null);
    if (!action) return;
    event.preventDefault();
    action(app);
  });
}

const ANYWHERE = {
  "/": app => app.search.input.focus(),
  "?": app => app.help.showModal(),
  h: app => app.nextMetric(),
  d: app => app.preferences.toggleTheme(),
  n: app => app.step(1),
  N: app => app.step(-1),
  e: app => app.foldAll(false),
  E: app => app.foldAll(true),
  Escape: app => app.letGo(),
  "+": app => app.active.camera.zoom(1.25),
  "=": app => app.active.camera.zoom(1.25),
  "-": app => app.active.camera.zoom(0.8),
  0: app => app.active.camera.fit(app.active.root),
};

const IN_PICTURE = {
  ArrowDown: app => move(app, 1),
  ArrowUp: app => move(app, -1),
  ArrowRight: app => inside(app),
  ArrowLeft: app => outside(app),
  Enter: app => toggle(app),
  " ": app => toggle(app),
  Home: app => go(app, app.active.boxes[0]?.item),
  End: app => go(app, app.active.boxes.at(-1)?.item),
};

function go(app, item) {
  if (item) app.choose(item, { reveal: true });
}

/** Boxes in the order of the tree. */
function order(canvas) {
  return canvas.boxes.map(box => box.item);
}

function move(app, step) {
  const items = order(app.active);
  const chosen = app.state.chosen?.item;
  const at = chosen ? items.indexOf(app.active.folding.seen(chosen)) : step > 0 ? -1 : items.length;
  go(app, items[Math.min(items.length - 1, Math.max(0, at + step))]);
}

function inside(app) {
  const item = app.state.chosen?.item;
  if (!item?.isFrame) return move(app, 1);
  if (app.active.folding.isOpen(item)) return move(app, 1);
  return app.fold(app.active, item);
}

function outside(app) {
  const item = app.state.chosen?.item;
  if (!item) return;
  if (item.isFrame && app.active.folding.isOpen(item)) app.fold(app.active, item);
  else if (item.frame?.parent) go(app, item.frame);
}

function toggle(app) {
  const item = app.state.chosen?.item;
  if (item?.isFrame) app.fold(app.active, item);
}

function helpDialog(dialog) {
  dialog.replaceChildren(
    h("h2", {}, "Keyboard shortcuts"),
    h(
      "dl",
      { class: "keys" },
      KEYS.map(([keys, what]) => [
        h(
          "dt",
          {},
          keys.split(/(?<=,) /).map(key => h("kbd", {}, key.replace(",", ""))),
        ),
        h("dd", {}, what),
      ]),
    ),
    h(
      "p",
      { class: "quiet" },
      "Mouse: drag or scroll to move, Ctrl + wheel or pinch to zoom, double-click to fold and unfold.",
    ),
    h("form", { method: "dialog" }, h("button", { class: "button" }, "Close")),
  );
  dialog.addEventListener("click", event => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}
