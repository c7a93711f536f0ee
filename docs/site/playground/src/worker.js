// Runs the package in Pyodide. Messages from the page: {lsp} is for the language server, {id, panel} asks for a panel.
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
  return playground;
}

started.catch((error) => postMessage({ failed: String(error) }));

onmessage = async ({ data }) => {
  const playground = await started;
  if (data.lsp !== undefined) playground.message(data.lsp);
  else postMessage({ id: data.id, result: JSON.parse(playground.panel(JSON.stringify(data.request))) });
};
