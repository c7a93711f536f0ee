"""Build the playground: ``python docs/site/playground/build.py -o FOLDER``.

A page that runs the package in the browser, with Pyodide. It needs Node for CodeMirror, esbuild and Pyodide, which npm
installs in ``build/node``, and an environment with ``resdsl[lsp]``, whose packages the page gets. ``--serve`` serves
the result.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from resdsl import view

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NODE = ROOT / "build" / "node"
MODULES = NODE / "node_modules"

DISTRIBUTIONS = (
    "lark",
    "pygls",
    "lsprotocol",
    "cattrs",
    "attrs",
    "typing_extensions",
    "jinja2",
    "markupsafe",
    "pygments",
)
"""What the package imports for the language server, pictures, summaries and the explorer. All are pure Python, or work
without their compiled modules."""

LEFT_OUT = ("pygments/lexers/", "pygments/styles/", "lark/__pyinstaller/", "pygls/cli/")
"""Folders of these that nothing here imports; Pygments has a megabyte of other languages."""

PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")

FIRST = ("resnet18", "resnet50", "resnet152", "resnet_cifar", "resnetv2_50", "resnext50_32x4d", "densenet121")
"""The examples at the top of the list; the other built-in networks follow."""


def main() -> int:
    """Build, and perhaps serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "playground", metavar="FOLDER")
    parser.add_argument("--serve", type=int, metavar="PORT", help="serve the folder on this port of the machine")
    options = parser.parse_args()
    build(options.output)
    if options.serve is not None:
        serve(options.output, options.serve)
    return 0


def build(output: Path) -> None:
    """Write the page into a folder, whose files are replaced. Raises ``CalledProcessError`` if a step fails."""
    if not MODULES.is_dir():
        NODE.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", NODE)
        _run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", folder=NODE)
    shutil.rmtree(output, ignore_errors=True)
    (output / "pyodide").mkdir(parents=True)
    for name in PYODIDE:
        shutil.copy(MODULES / "pyodide" / name, output / "pyodide")
    page = (HERE / "index.html").read_text(encoding="utf-8").replace("EXPLORER_SCRIPT", _explorer_script())
    (output / "index.html").write_text(page, encoding="utf-8")
    shutil.copy(HERE / "style.css", output)
    shutil.copy(HERE / "src" / "worker.js", output)
    _bundle("main.js", output, "--bundle", "--format=esm")
    (output / "examples.json").write_text(json.dumps(list(_examples())), encoding="utf-8")
    _pack(output / "packages.zip")
    _run("node", "compile.mjs", str((output / "packages.zip").resolve()), str(MODULES / "pyodide" / "pyodide.mjs"))
    files = sorted(str(path.relative_to(output).as_posix()) for path in output.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for name in files:
        digest.update(name.encode() + b"\0" + hashlib.sha256((output / name).read_bytes()).digest())
    listed = json.dumps(["./", *files])
    version = json.dumps(digest.hexdigest()[:16])
    _bundle("service-worker.js", output, f"--define:FILES={listed}", f"--define:VERSION={version}")


def _run(*command: str, folder: Path = HERE) -> None:
    subprocess.run(command, cwd=folder, env={**os.environ, "NODE_PATH": str(MODULES)}, check=True)


def _bundle(name: str, output: Path, *options: str) -> None:
    target = (output / name).resolve()
    esbuild = str(MODULES / ".bin" / "esbuild")
    _run(esbuild, f"src/{name}", "--minify", *options, f"--outfile={target}", "--log-level=warning")


def _explorer_script() -> str:
    """The digest of the explorer's script: the page that it is shown in has to allow it, too."""
    (digest,) = set(re.findall(r"script-src '(sha256-[^']+)'", view("resnet18")))
    return f"'{digest}'"


def _examples() -> Iterator[dict[str, str]]:
    names = sorted(path.stem for path in (ROOT / "specs").glob("*.res"))
    for name in (*FIRST, *(name for name in names if name not in FIRST)):
        yield {"name": name, "title": name, "text": (ROOT / "specs" / f"{name}.res").read_text(encoding="utf-8")}


def _pack(target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(HERE / "playground.py", "playground.py")
        for path in _files(ROOT / "resdsl"):
            archive.write(path, path.relative_to(ROOT))
        for path in _files(ROOT / "specs"):
            archive.write(path, Path("resdsl") / path.relative_to(ROOT))
        for name in DISTRIBUTIONS:
            for file in distribution(name).files or ():
                wanted = file.suffix == ".py" or file.name == "METADATA"
                if wanted and not file.as_posix().startswith(LEFT_OUT):
                    archive.write(file.locate(), str(file))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc")


def serve(folder: Path, port: int) -> None:
    """Serve a folder on the loopback interface until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    raise SystemExit(main())
