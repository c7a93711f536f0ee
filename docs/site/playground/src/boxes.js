// From a box of the picture to its line, and from the cursor to its boxes. The tooltip of a box begins with the path of a layer.
const DELAY = 150; // ms until the cursor rests

const titleOf = (box) => box.querySelector(":scope > title");
const pathOf = (box) => titleOf(box).textContent.split("\n")[0].split(":")[0];
const boxesOf = (picture) => [...picture.querySelectorAll("g")].filter(titleOf);

/** A click on a box puts the cursor where the text makes it. */
export function leadToLines(client, view, uri, picture) {
  picture.addEventListener("click", async (event) => {
    const box = event.target.closest("g");
    if (!box || !titleOf(box)) return;
    const doc = view.state.doc;
    const place = await client.request("resdsl/place", { uri, path: pathOf(box) }).catch(() => null);
    if (!place || view.state.doc !== doc || place.range.start.line >= doc.lines) return;
    const { line, character } = place.range.start;
    view.dispatch({ selection: { anchor: doc.line(line + 1).from + character }, scrollIntoView: true });
    view.focus();
  });
}

let timer;

/** Outlines the boxes of the line that the cursor is in, and shows the first where `scroll` is wanted. */
export function markBoxes(client, view, uri, picture, scroll) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const doc = view.state.doc;
    const { head } = view.state.selection.main;
    const line = doc.lineAt(head);
    const paths = await client.request("resdsl/paths", { uri, line: line.number - 1, character: head - line.from }).catch(() => []);
    if (view.state.doc !== doc) return;
    const wanted = new Set(paths);
    let first;
    for (const box of boxesOf(picture)) {
      const isCurrent = wanted.has(pathOf(box));
      box.classList.toggle("current", isCurrent);
      if (isCurrent) first ??= box;
    }
    if (scroll) first?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, DELAY);
}
