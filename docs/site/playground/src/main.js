import { languageServerExtensions, LSPClient } from "@codemirror/lsp-client";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { indentWithTab } from "@codemirror/commands";
import { syntaxHighlighting } from "@codemirror/language";
import { lintGutter, openLintPanel } from "@codemirror/lint";
import { classHighlighter } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import { leadToLines, markBoxes } from "./boxes.js";
import { divider } from "./divider.js";
import { hints, refreshHints } from "./hints.js";
import { language } from "./language.js";
import { claimsOf, fixesOf, noticeOf, showDiagnostics } from "./problems.js";
import { fromLink, toLink } from "./share.js";

const element = (id) => document.getElementById(id);
const URI = "file:///playground/network.res";
const OLD_URI = "file:///playground/old.res";
const MOST_BYTES = 1e9; // of an ONNX file, which is copied into the memory of the worker
const dark = matchMedia("(prefers-color-scheme: dark)");

// --- the worker --------------------------------------------------------------------------------------------------------

const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
const listeners = new Set();
let asked = 0;

worker.onmessage = ({ data }) => {
  if (data.lsp !== undefined) for (const listener of listeners) listener(data.lsp);
  else if (data.ready) ready();
  else if (data.failed) status(`The checker could not be loaded: ${data.failed}`, "error");
  else {
    waiting.get(data.id)?.(data.result);
    waiting.delete(data.id);
  }
};
worker.onerror = (event) => status(`The checker could not be loaded: ${event.message ?? "its worker failed"}`, "error");

function ask(message) {
  asked += 1;
  worker.postMessage({ id: asked, ...message });
  return new Promise((resolve) => waiting.set(asked, resolve));
}

// --- the language server -----------------------------------------------------------------------------------------------

const errors = new Map(); // by URI
const client = new LSPClient({
  rootUri: "file:///playground",
  timeout: 20_000,
  extensions: languageServerExtensions(),
  notificationHandlers: {
    "textDocument/publishDiagnostics": (_client, { uri, diagnostics }) => {
      if (!views[uri]) return true; // closed meanwhile
      errors.set(uri, diagnostics);
      const drawn = checked(uri);
      showDiagnostics(client, views[uri], uri, diagnostics, drawn);
      return true; // instead of the client's own way to show them, which knows no fixes
    },
  },
});

// --- the editors -------------------------------------------------------------------------------------------------------

const themes = new Compartment();
const theme = () => EditorView.theme({}, { dark: dark.matches });

function editor(parent, uri, label) {
  return new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        basicSetup,
        keymap.of([indentWithTab]),
        language(),
        lintGutter(),
        hints,
        client.plugin(uri, "res"),
        syntaxHighlighting(classHighlighter),
        themes.of(theme()),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed(update);
          else if (update.selectionSet && uri === URI && isReady) markBoxes(client, update.view, URI, element("picture"), true);
        }),
      ],
    }),
  });
}

const views = { [URI]: editor(element("new"), URI, "The network as text") };
const text = () => views[URI].state.doc.toString();
const oldText = () => views[OLD_URI]?.state.doc.toString();

function setText(view, value) {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value }, selection: { anchor: 0 } });
}

dark.addEventListener("change", () => {
  for (const view of Object.values(views)) view.dispatch({ effects: themes.reconfigure(theme()) });
  show();
});

// --- what is shown beside the text -------------------------------------------------------------------------------------

let isReady = false;
let panel = "picture";
let shown = 0;
let timer;

function status(message, kind = "") {
  element("status").textContent = message;
  element("status").className = kind;
}

function ready() {
  isReady = true;
  document.body.dataset.ready = "true";
  client.connect({
    send: (message) => worker.postMessage({ lsp: message }),
    subscribe: (listener) => listeners.add(listener),
    unsubscribe: (listener) => listeners.delete(listener),
  });
}

function changed(update) {
  element("shared").textContent = "";
  keep(update);
  if (!isReady) return;
  status("Checking …");
  clearTimeout(timer);
  timer = setTimeout(() => client.sync(), 150);
}

function checked(uri) {
  const all = [...errors.values()].flat();
  const count = (severity, word) => {
    const found = all.filter((one) => one.severity === severity).length;
    return found ? `${found} ${word}${found === 1 ? "" : "s"}` : "";
  };
  const found = [count(1, "error"), count(2, "warning")].filter(Boolean).join(", ");
  status(found || "No errors", count(1, "error") ? "error" : "good");
  const drawn = show();
  if (views[uri]) refreshHints(client, views[uri], uri);
  return drawn;
}

function pictureRequest(panel) {
  const file = opened?.text === text() ? opened.file : undefined; // until the text is another one
  // What is undefined is left out on the way.
  return { panel, text: text(), file, old: oldText(), theme: dark.matches ? "dark" : "light" };
}

/** Draws the panel that is open. What is on it stays while a text has errors. */
async function show() {
  if (!isReady) return;
  shown += 1;
  const turn = shown;
  const request = pictureRequest(panel);
  const { file } = request;
  const result = await ask({ request });
  if (turn !== shown) return;
  element("output").classList.toggle("stale", "problem" in result);
  if ("svg" in result) {
    element("picture").replaceChildren(...new DOMParser().parseFromString(result.svg, "text/html").body.children);
    if (views[URI].hasFocus) markBoxes(client, views[URI], URI, element("picture"), false);
  }
  if ("html" in result) element("explorer").srcdoc = result.html;
  if ("rows" in result) element("summary").replaceChildren(...summary(result));
  element("save-svg").disabled = "problem" in result;
  if ("problem" in result && !hasShown.has(panel)) element("picture").querySelector(".first")?.remove();
  if (!("problem" in result)) hasShown.add(panel);
  const found = file ? [] : (errors.get(URI) ?? []);
  notice(noticeOf(found, { isEmpty: !text().trim(), hasPicture: hasShown.has(panel), problem: result.problem }));
  if (!("problem" in result)) offerUpdate(claimsOf(found));
}

const hasShown = new Set(); // panels that have something to show

function notice(message) {
  const [words, button] = element("notice").children;
  words.textContent = message;
  button.hidden = true;
  element("notice").hidden = !message;
}

/** A button that has the text state what the network has. */
async function offerUpdate(claims) {
  const button = element("notice").querySelector("button");
  for (const claim of claims) {
    const turn = shown;
    const fixes = await fixesOf(client, views[URI], URI, claim);
    if (turn !== shown) return;
    const fix = fixes.at(-1); // that for all places, where there are several
    if (!fix) continue;
    button.hidden = false;
    button.textContent = claims.length === 1 ? "Update it" : "Update them";
    button.title = fix.title;
    button.onclick = fix.apply;
    return;
  }
}

function summary({ heading, columns, numbers, rows, totals }) {
  const make = (tag, content, properties = {}) => Object.assign(document.createElement(tag), { textContent: content, ...properties });
  const row = (cells, tag) => {
    const line = document.createElement("tr");
    line.append(...cells.map((cell, column) => make(tag, cell, { className: column >= numbers ? "number" : "" })));
    return line;
  };
  const table = document.createElement("table");
  table.append(row(columns, "th"), ...rows.map((cells) => row(cells, "td")));
  const list = document.createElement("dl");
  for (const [what, amount] of totals) list.append(make("dt", what), make("dd", amount));
  return [make("h2", heading), table, list];
}

// --- controls ----------------------------------------------------------------------------------------------------------

const tabs = [...document.querySelectorAll("[role=tab]")];
function choose(tab) {
  panel = tab.dataset.panel;
  for (const one of tabs) {
    one.setAttribute("aria-selected", String(one === tab));
    one.tabIndex = one === tab ? 0 : -1;
    element(one.dataset.panel + "-panel").hidden = one !== tab;
  }
  show();
}
for (const [at, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(at + step + tabs.length) % tabs.length];
    next.focus();
    choose(next);
  });
}

element("status").addEventListener("click", () => openLintPanel(views[URI]));

/** Compares with an old text; `undefined` ends it. */
function compare(old) {
  const comparing = old !== undefined;
  if (comparing) {
    views[OLD_URI] ??= editor(element("old"), OLD_URI, "The network before the change");
    setText(views[OLD_URI], old);
  } else if (OLD_URI in views) {
    views[OLD_URI].destroy();
    delete views[OLD_URI];
    errors.delete(OLD_URI);
  }
  for (const id of ["old", "old-title", "new-title"]) element(id).hidden = !comparing;
  element("compare").setAttribute("aria-pressed", String(comparing));
  changed();
}

element("compare").addEventListener("click", () => {
  compare(OLD_URI in views ? undefined : text());
  views[URI].focus();
});

element("share").addEventListener("click", async () => {
  const link = new URL(location.pathname, location.href);
  link.hash = await toLink(text(), oldText());
  history.replaceState(null, "", link);
  try {
    await navigator.clipboard.writeText(link.href);
    element("shared").textContent = "Link copied";
  } catch {
    element("shared").textContent = "The link is in the address bar";
  }
});

/** The first model's name, for files. */
const fileName = () => /^\s*model\s+([A-Za-z_]\w*)/m.exec(text())?.[1] ?? "network";

element("save-svg").addEventListener("click", async () => {
  // Of the text as it is, whatever panel is open.
  const { svg, problem } = await ask({ request: pictureRequest("picture") });
  if (svg) save(`${fileName()}.svg`, "image/svg+xml", svg);
  else status(problem, "error");
});
element("save-res").addEventListener("click", () => save(`${fileName()}.res`, "text/plain", text()));

function save(name, type, content) {
  const link = document.createElement("a");
  link.href = globalThis.URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => globalThis.URL.revokeObjectURL(link.href), 1000);
}

let opened; // what the worker made of an ONNX file: its text, and the file where the text is but a comment

async function openFile(file) {
  if (file.name.endsWith(".res")) return setText(views[URI], await file.text());
  if (file.size > MOST_BYTES) return status(`${file.name} has more than 1 GB: too large for a browser`, "error");
  status(`Reading ${file.name} …`);
  const result = await ask({ file });
  if ("problem" in result) return status(result.problem, "error");
  opened = result;
  element("examples").value = "";
  setText(views[URI], result.text);
}

element("open").addEventListener("click", () => element("file").click());
element("file").addEventListener("change", async ({ target }) => {
  if (target.files[0]) await openFile(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});

const dragsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
document.addEventListener("dragover", (event) => {
  if (!dragsFile(event)) return; // text, which the editor moves
  event.preventDefault();
  element("drop").hidden = false;
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) element("drop").hidden = true;
});
document.addEventListener("drop", async (event) => {
  element("drop").hidden = true;
  if (!dragsFile(event)) return;
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file) await openFile(file);
});
for (const button of document.querySelectorAll("[data-opens]")) {
  button.addEventListener("click", () => element(button.dataset.opens).showModal());
}

// --- the start ---------------------------------------------------------------------------------------------------------

const examples = await (await fetch("examples.json")).json();
for (const { name, title } of examples) element("examples").append(new Option(title, name));
element("examples").addEventListener("change", ({ target }) => {
  const chosen = examples.find(({ name }) => name === target.value);
  if (chosen) setText(views[URI], chosen.text);
});

// The texts of this tab, which outlive a reload. The address is that of what was opened, until it is changed.
let isOpening = false;

function keep(update) {
  if (isOpening) return;
  try {
    sessionStorage.setItem("texts", JSON.stringify({ text: text(), old: oldText() }));
  } catch {
    // Full, or not allowed: then they do not.
  }
  if (update && (location.hash || location.search)) history.replaceState(null, "", location.pathname);
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem("texts")) ?? {};
  } catch {
    return {};
  }
}

async function open() {
  const named = new URLSearchParams(location.search).get("network");
  const linked = await fromLink(location.hash);
  const { text, old } = linked.text !== null ? linked : named === null ? kept() : {};
  const chosen = examples.find(({ name }) => name === (named ?? "resnet18")) ?? examples[0];
  isOpening = true;
  setText(views[URI], text ?? chosen.text);
  compare(old ?? undefined);
  isOpening = false;
  if (location.hash && linked.text === null) element("shared").textContent = "This link holds no text that can be read";
  element("examples").value = examples.find((one) => one.text === (text ?? chosen.text))?.name ?? "";
}
addEventListener("hashchange", open);
await open();
divider(element("divider"), document.querySelector("main"));
leadToLines(client, views[URI], URI, element("picture"));

if ("serviceWorker" in navigator) navigator.serviceWorker.register("service-worker.js");
