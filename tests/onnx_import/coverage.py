"""Exports networks, imports them, and prints how many are read, import and prove equal: the coverage table.

    python tests/onnx_import/coverage.py --torch-python PATH [--folder DIR] [--only WORD ...] [--export]
    python tests/onnx_import/coverage.py --folder DIR [--into docs/import.md]

``PATH`` is an interpreter with torch, torchvision, timm, onnx and onnxruntime; without it, what the folder holds is
judged. Files that exist aren't exported again. ``--export`` ends after that.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
EXPORTERS = ("dynamo", "legacy", "plain")
LIMIT = 600  # seconds for one export


def export(python: str, folder: Path, only: list[str], exporters: list[str]) -> None:
    """Exports what the folder lacks, one process at a time; a process that dies or hangs loses one file."""
    from networks import NETWORKS

    folder.mkdir(parents=True, exist_ok=True)
    failed = folder / "failed.json"
    known: dict[str, str] = json.loads(failed.read_text()) if failed.exists() else {}
    jobs: list[dict[str, Any]] = []
    for one in NETWORKS:
        for exporter in exporters:
            file = folder / f"{one.package}_{one.name}.{exporter}.onnx"
            if (only and one.name not in only) or file.exists() or file.name in known:
                continue
            jobs.append(
                {"package": one.package, "name": one.name, "size": one.size, "exporter": exporter, "file": str(file)}
            )
    child: subprocess.Popen[str] | None = None
    for count, job in enumerate(jobs):
        if child is None:
            command = [python, "-P", str(FOLDER / "export_networks.py")]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
            log = (folder / "export.log").open("a")
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        answer = _ask(child, job)
        if answer is None:
            child.kill()
            child.wait()
            child = None
            answer = {"error": "the process died or took too long"}
        name = Path(job["file"]).name
        if "error" in answer or "skipped" in answer:
            known[name] = answer.get("error") or f"skipped: {answer['skipped']}"
            failed.write_text(json.dumps(known, indent=1))
        print(f"{count + 1}/{len(jobs)} {name}: {known.get(name) or _facts(answer)}", file=sys.stderr, flush=True)
    if child is not None and child.stdin is not None:
        child.stdin.close()
        child.wait()


def _facts(answer: dict[str, Any]) -> str:
    silent = len(answer["silent_parameters"])
    return (
        f"{answer['nodes']} nodes, {answer['seconds']} s, deviation {answer['deviation_from_torch']:.1e}"
        + ("" if answer["finite"] else ", not finite")
        + (f", {silent} silent parameters" if silent else "")
    )


def _ask(child: subprocess.Popen[str], job: dict[str, Any]) -> dict[str, Any] | None:
    """Sends a job; its answer, or None where the process died or was too slow."""
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(json.dumps(job) + "\n")
        child.stdin.flush()
    except BrokenPipeError:
        return None
    if not select.select([child.stdout], [], [], LIMIT)[0]:
        return None
    line = child.stdout.readline()
    return json.loads(line) if line else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", metavar="PATH", help="interpreter with torch, torchvision and timm")
    parser.add_argument("--folder", type=Path, default=Path("corpus"), help="where the exports are kept")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these networks only")
    parser.add_argument("--exporters", nargs="+", default=list(EXPORTERS), choices=EXPORTERS)
    parser.add_argument("--export", action="store_true", help="end after the exports")
    given = parser.parse_args()
    if given.torch_python:
        export(given.torch_python, given.folder, given.only, given.exporters)
    return 0


if __name__ == "__main__":
    sys.exit(main())
