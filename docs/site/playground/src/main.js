import { languageServerExtensions, LSPClient } from "@codemirror/lsp-client";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { indentWithTab } from "@codemirror/commands";
import { syntaxHighlighting } from "@codemirror/language";
import { lintGutter, openLintPanel } from "@codemirror/lint";
import { classHighlighter } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import { hints, refreshHints } from "./hints.js";
import { language } from "./language.js";
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
      errors.set(uri, diagnostics);
      checked(uri);
      return false; // the editor shows them, too
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
        EditorView.updateListener.of((update) => update.docChanged && changed()),
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

function changed() {
  element("shared").textContent = "";
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
  if (views[uri]) refreshHints(client, views[uri], uri);
  show();
}

/** Draws the panel that is open. What is on it stays while a text has errors. */
async function show() {
  if (!isReady) return;
  shown += 1;
  const turn = shown;
  const old = oldText();
  const file = opened?.text === text() ? opened.file : undefined; // until the text is another one
  // What is undefined is left out on the way.
  const request = { panel, text: text(), file, old, theme: dark.matches ? "dark" : "light" };
  const result = await ask({ request });
  if (turn !== shown) return;
  element("output").classList.toggle("stale", "problem" in result);
  if ("svg" in result) element("picture").replaceChildren(...new DOMParser().parseFromString(result.svg, "text/html").body.children);
  if ("html" in result) element("explorer").srcdoc = result.html;
  if ("rows" in result) element("summary").replaceChildren(...summary(result));
  element("save-svg").disabled = !element("picture").firstElementChild;
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

element("compare").addEventListener("click", () => {
  const comparing = !(OLD_URI in views);
  if (comparing) {
    element("old").hidden = false;
    views[OLD_URI] = editor(element("old"), OLD_URI, "The network before the change");
    setText(views[OLD_URI], text());
  } else {
    views[OLD_URI].destroy();
    delete views[OLD_URI];
    errors.delete(OLD_URI);
    element("old").hidden = true;
  }
  element("compare").setAttribute("aria-pressed", String(comparing));
  document.body.classList.toggle("comparing", comparing);
  changed();
});

element("share").addEventListener("click", async () => {
  const link = new URL(location.href);
  link.hash = await toLink(text());
  history.replaceState(null, "", link);
  try {
    await navigator.clipboard.writeText(link.href);
    element("shared").textContent = "Link copied";
  } catch {
    element("shared").textContent = "The link is in the address bar";
  }
});

element("save-svg").addEventListener("click", () => save("network.svg", "image/svg+xml", element("picture").innerHTML));
element("save-res").addEventListener("click", () => save("network.res", "text/plain", text()));

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
  if ("problem" in result) return status(`${file.name}: ${result.problem}`, "error");
  opened = result;
  element("examples").value = "";
  setText(views[URI], result.text);
}

element("open").addEventListener("click", () => element("file").click());
element("file").addEventListener("change", async ({ target }) => {
  if (target.files[0]) await openFile(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});

document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", async (event) => {
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

async function open() {
  const named = new URLSearchParams(location.search).get("network");
  const chosen = examples.find(({ name }) => name === (named ?? "resnet18"));
  element("examples").value = chosen?.name ?? "";
  setText(views[URI], (await fromLink(location.hash)) ?? chosen?.text ?? examples[0].text);
}
addEventListener("hashchange", open);
await open();

if ("serviceWorker" in navigator) navigator.serviceWorker.register("service-worker.js");
