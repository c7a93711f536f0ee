// node compile.mjs PACKAGES.zip PYODIDE.mjs: compiles the Python files in an archive with Pyodide's own Python, so that a browser
// need not, and imports the playground once, so that a missing package is found here.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [path, module] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(module).href);
const pyodide = await loadPyodide();
pyodide.unpackArchive(new Uint8Array(readFileSync(path)), "zip", { extractDir: "/lib/resdsl-packages" });
try {
  pyodide.runPython(`
import compileall, py_compile, shutil, sys
folder = "/lib/resdsl-packages"
# Without a date or a digest to compare: nobody changes these files.
done = compileall.compile_dir(folder, quiet=1, force=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
assert done, "a file does not compile"
sys.path.insert(0, folder)
import playground
playground.Playground(lambda text: None)
shutil.make_archive("/tmp/packages", "zip", folder)
`);
} catch (error) {
  console.error(error.message); // without the source of Pyodide, which Node prints around it
  process.exit(1);
}
writeFileSync(path, pyodide.FS.readFile("/tmp/packages.zip"));
