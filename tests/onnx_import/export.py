"""Runs ``export_networks.py`` in an interpreter that has torch, and ``export_keras.py`` in one that has Keras, for the
files that a folder lacks.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from networks import NETWORKS

SCRIPTS = {"torch": "export_networks.py", "keras": "export_keras.py"}
EXPORTERS = {
    "torch": ("dynamo", "legacy", "plain"),
    "keras": ("tf2onnx", "tf2onnx-nchw", "tf2onnx-batch1", "keras"),
}
"""By the library that the interpreter has."""

LIMIT = 600  # seconds for one export


def export(library: str, python: str, folder: Path, only: list[str], exporters: list[str]) -> None:
    """Exports one file at a time; a process that dies or hangs loses one file. Errors are kept in ``failed.json``.

    ``library`` is what the interpreter ``python`` has, ``exporters`` are some of its ``EXPORTERS``, or none for all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failed = folder / "failed.json"
    known: dict[str, str] = json.loads(failed.read_text()) if failed.exists() else {}
    jobs: list[dict[str, Any]] = []
    for one in NETWORKS:
        if (one.package == "keras") != (library == "keras"):
            continue
        for exporter in (name for name in EXPORTERS[library] if not exporters or name in exporters):
            file = folder / f"{one.package}_{one.name}.{exporter}.onnx"
            if (only and one.name not in only) or file.exists() or file.name in known:
                continue
            jobs.append(
                {"package": one.package, "name": one.name, "size": one.size, "exporter": exporter, "file": str(file)}
            )
    with (folder / "export.log").open("a") as log:
        child: subprocess.Popen[str] | None = None
        for count, job in enumerate(jobs, 1):
            child = child or _start(python, SCRIPTS[library], log)
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
            print(f"{count}/{len(jobs)} {name}: {known.get(name) or _facts(answer)}", file=sys.stderr, flush=True)
        if child is not None:
            child.communicate()


def _start(python: str, script: str, log: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-P", str(Path(__file__).with_name(script))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
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


def _facts(answer: dict[str, Any]) -> str:
    silent = len(answer["silent_parameters"])
    return (
        f"{answer['nodes']} nodes, {answer['seconds']} s, deviation {answer['deviation']:.1e}"
        + ("" if answer["finite"] else ", not finite")
        + (f", {silent} silent parameters" if silent else "")
    )
