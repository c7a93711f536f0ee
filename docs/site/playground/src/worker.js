// Runs the package in Pyodide. Messages from the page: {lsp} is for the language server, {id, request} asks for a panel,
// {id, file} opens an ONNX file, which replaces the one before.
// Messages to it: {lsp}, {id, result}, {ready}, {failed}.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const started = start();

async function start() {
  const pyodide = await loadPyodide({ indexURL: new URL("pyodide/", import.meta.url).href });
  const packages = await fetch(new URL("packages.zip", import.meta.url));
  pyodide.unpackArchive(await packages.arrayBuffer(), "zip", { extractDir: "/lib/resdsl-packages" });
  pyodide.runPython("import sys; sys.path.insert(0, '/lib/resdsl-packages')");
  const playground = pyodide.pyimport("playground").Playground((text) => postMessage({ lsp: text }));
  postMessage({ ready: true });
  return { pyodide, playground };
}

let opened;

async function open({ pyodide, playground }, file) {
  if (opened) pyodide.FS.unlink(opened);
  opened = "/tmp/" + file.name.replaceAll("/", "_");
  pyodide.FS.writeFile(opened, new Uint8Array(await file.arrayBuffer()));
  return playground.opened(opened);
}

started.catch((error) => postMessage({ failed: String(error) }));

onmessage = async ({ data }) => {
  const both = await started;
  if (data.lsp !== undefined) both.playground.message(data.lsp);
  else {
    const answer = data.file ? await open(both, data.file) : both.playground.panel(JSON.stringify(data.request));
    postMessage({ id: data.id, result: JSON.parse(answer) });
  }
};
