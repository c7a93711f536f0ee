"""What becomes of models that nobody has prepared: ``python tests/torch/unprepared.py --into docs/import.md``.

Each model is imported by its address, as a user would do it, and the table is written into the page between
``<!-- generated: unprepared -->`` and ``<!-- end: unprepared -->``. ``--results FILE`` keeps what was found as JSON and
imports no model again that it has. The interpreter needs torch, timm and the packages that the models are from.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
LIMIT = 1800  # seconds for one import, on a machine with other work
PART = re.compile(r"(<!-- generated: unprepared -->\n).*?(<!-- end: unprepared -->)", re.DOTALL)
OWN = "tests/torch/unprepared_models.py"


class Model(NamedTuple):
    """A model: the package it is from, its address, and the shape of its input where it is not 224 x 224 pixels."""

    package: str
    address: str
    shape: str = ""

    @property
    def name(self) -> str:
        return self.address.rpartition(":")[2]


MODELS = [
    Model("timm", "timm:ecaresnetlight"),
    Model("timm", "timm:dpn68b"),
    Model("timm", "timm:resnetv2_34d"),
    Model("timm", "timm:convnext_pico_ols"),
    Model("timm", "timm:cs3sedarknet_l"),
    Model("pretrainedmodels", f"{OWN}:bninception"),
    Model("efficientnet-pytorch", f"{OWN}:efficientnet_b0"),
    Model("segmentation-models-pytorch", f"{OWN}:unet", "N,3,64,64"),
    Model("segmentation-models-pytorch", f"{OWN}:deeplab", "N,3,128,128"),
    Model("pytorchcv", "pytorchcv.models.diracnetv2:diracnet18v2"),
    Model("facenet-pytorch", "facenet_pytorch:InceptionResnetV1", "N,3,160,160"),
    Model("kornia", f"{OWN}:hardnet", "N,1,32,32"),
]


def imported(model: Model) -> dict[str, Any]:
    """What `resdsl import` says of a model."""
    shape = ["--input", model.shape] if model.shape else []
    with TemporaryDirectory(prefix="unprepared-") as folder:
        text = Path(folder) / "net.res"
        command = ["-m", "resdsl", "import", model.address, "--run-code", *shape, "-o", str(text), "--json"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        try:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"remark": f"took more than {LIMIT} s"}
        try:
            said = json.loads(done.stdout)
        except ValueError:
            return {"remark": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}
    if done.returncode:
        return {"remark": _why(said["diagnostics"][0])}
    body = [line for line in said["text"].splitlines() if line.strip() and not line.lstrip().startswith("#")]
    unused, renamed = len(said["unused"]), len(said["renamed"])
    remarks = [f"{unused} tensors not needed at inference"] * bool(unused)
    remarks += [f"{renamed} tensors with other names"] * bool(renamed)
    return {
        "lines": len(body),
        "values": said["proof"]["values"],
        "deviation": said["proof"]["deviation"],
        "remark": "; ".join(remarks),
    }


def _why(diagnostic: dict[str, Any]) -> str:
    """The operators that the language lacks, or the message."""
    rows = [re.split(r"\s{2,}", note) for note in diagnostic.get("notes", [])][1:]
    if diagnostic["code"] != "E0852" or not rows:
        return f"{diagnostic['code']}: {diagnostic['message']}"[:200]
    lacking = [row[0] for row in rows if row[-1] != "the language has it in other forms"] or [row[0] for row in rows]
    return f"not in the language: {', '.join(f'`{name}`' for name in lacking[:4])}"


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = ["| package | model | lines | values | largest deviation | |", "|---|---|--:|--:|--:|---|"]
    for model in MODELS:
        row = found[model.address]
        deviation = f"{row['deviation']:.0e}" if "deviation" in row else ""
        package = f"{model.package} {version(model.package)}"
        lines.append(
            f"| {package} | `{model.name}` | {row.get('lines', '')} | {row.get('values', '')} | {deviation} "
            f"| {row['remark']} |"
        )
    equal = sum("lines" in row for row in found.values())
    return "\n".join([*lines, "", f"{equal} of {len(MODELS)} are written and proved.", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep what was found, as JSON")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="write the table into this page")
    given = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    if given.results is not None and given.results.exists():
        found = json.loads(given.results.read_text())
    for model in MODELS:
        if model.address in found:
            continue
        found[model.address] = imported(model)
        print(f"{model.address}: {found[model.address]}", file=sys.stderr, flush=True)
        if given.results is not None:
            given.results.write_text(json.dumps(found, indent=1))
    if given.into is None:
        print(table(found), end="")
        return 0
    page = given.into.read_text()
    if not PART.search(page):
        parser.error(f"{given.into} has no part <!-- generated: unprepared -->")
    given.into.write_text(PART.sub(lambda part: f"{part[1]}{table(found)}{part[2]}", page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
