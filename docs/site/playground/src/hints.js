// The shape after each statement, as the language server gives it, in grey at the end of the line.
import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, WidgetType } from "@codemirror/view";

class Hint extends WidgetType {
  constructor(text) {
    super();
    this.text = text;
  }
  eq(other) {
    return other.text === this.text;
  }
  toDOM() {
    const element = document.createElement("span");
    element.className = "hint";
    element.textContent = this.text;
    return element;
  }
}

const setHints = StateEffect.define();

export const hints = StateField.define({
  create: () => Decoration.none,
  update(value, transaction) {
    for (const effect of transaction.effects) if (effect.is(setHints)) return effect.value;
    return value.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Asks for the hints of the text as it is, and shows them if it has not changed meanwhile. */
export async function refreshHints(client, view, uri) {
  const doc = view.state.doc;
  const range = { start: { line: 0, character: 0 }, end: { line: doc.lines, character: 0 } };
  let found;
  try {
    found = await client.request("textDocument/inlayHint", { textDocument: { uri }, range });
  } catch {
    return; // the text has changed: its next answer is on its way
  }
  if (view.state.doc !== doc) return;
  const widgets = (found ?? []).flatMap(({ position, label }) => {
    if (position.line >= doc.lines) return [];
    const line = doc.line(position.line + 1);
    const text = typeof label === "string" ? label : label.map((part) => part.value).join("");
    return [Decoration.widget({ widget: new Hint(text.trim()), side: 1 }).range(Math.min(line.from + position.character, line.to))];
  });
  view.dispatch({ effects: setHints.of(Decoration.set(widgets, true)) });
}
