"""What exported code is, for every built-in network: ``python -m tests.export.table --into docs/pytorch.md``.

Each network is exported, imported, and compared with the module of its specification; linters read it; and its lines
are counted beside those of the code that the network comes from. The table is written into the page between
``<!-- generated: exported -->`` and ``<!-- end: exported -->``. Needs torch, torchvision, timm, mypy and ruff, and for
the lengths of some originals pytorchcv and facenet-pytorch.

An original counts without what only its library needs: weights, registered names, and functions that build models by
name or load checkpoints. Of files with much else, the classes that the network consists of count.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import resdsl

from .agreement import largest_deviation

PART = re.compile(r"(<!-- generated: exported -->\n).*?(<!-- end: exported -->)", re.DOTALL)
RULES = "E,F,I,UP,B,C4,SIM,PIE,PERF,RUF"

RESNET = ("torchvision.models.resnet",)
DENSENET = ("torchvision.models.densenet",)
RESNETV2 = ("timm.models.resnetv2",)
WRN = (
    "pytorchcv.models.wrn_cifar:CIFARWRN",
    "pytorchcv.models.preresnet:PreResBlock,PreResUnit,PreResActivation",
)
ORIGINALS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50_conv"), RESNET),
    **dict.fromkeys(("resnet50_v1", "resnet101_v1", "resnet152_v1"), RESNET),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"), RESNET),
    **dict.fromkeys(("wide_resnet50_2", "wide_resnet101_2"), RESNET),
    **dict.fromkeys(("densenet121", "densenet161", "densenet169", "densenet201", "densenet264"), DENSENET),
    **dict.fromkeys(("resnetv2_50", "resnetv2_101", "resnetv2_152", "resnetv2_200"), RESNETV2),
    **dict.fromkeys(("wrn_16_8", "wrn_28_10"), WRN),
    "googlenet": ("torchvision.models.googlenet",),
    "inception_v3": ("torchvision.models.inception",),
    "mobilenet_v2": ("torchvision.models.mobilenetv2",),
    "vgg19": ("torchvision.models.vgg",),
    "inception_v4": ("timm.models.inception_v4",),
    "inception_resnet_v1": ("facenet_pytorch.models.inception_resnet_v1",),
    "inception_resnet_v2": ("timm.models.inception_resnet_v2",),
    "resnet50d": ("timm.models.resnet:Bottleneck,ResNet",),
    "seresnet50": ("timm.models.resnet:Bottleneck,ResNet", "timm.layers.squeeze_excite:SEModule"),
    "fcn_resnet50": (
        "torchvision.models.segmentation.fcn:FCN,FCNHead",
        "torchvision.models.segmentation._utils",
        "torchvision.models._utils:IntermediateLayerGetter",
        *RESNET,
    ),
    "resnet50_fpn": (
        "torchvision.ops.feature_pyramid_network:FeaturePyramidNetwork,LastLevelMaxPool",
        "torchvision.models.detection.backbone_utils:BackboneWithFPN",
        *RESNET,
    ),
    "resnet_cifar": (
        "pytorchcv.models.resnet_cifar:CIFARResNet",
        "pytorchcv.models.resnet:ResBlock,ResUnit",
    ),
    "resnetv2_cifar": (
        "pytorchcv.models.preresnet_cifar:CIFARPreResNet",
        "pytorchcv.models.preresnet:PreResBottleneck,PreResUnit,PreResActivation",
    ),
    "densenet_cifar": (
        "pytorchcv.models.densenet_cifar:CIFARDenseNet",
        "pytorchcv.models.densenet:DenseUnit,TransitionBlock",
        "pytorchcv.models.preresnet:PreResActivation",
    ),
}
"""What a network comes from: files, or classes of files. No library has the plain networks and the ensemble."""

_OF_LIBRARY = ("register_model", "handle_legacy_interface")
_BUILDER_ARGUMENTS = {"weights", "pretrained", "cfg", "url"}
_LOADERS = ("_load_state_dict", "_load_weights", "load_weights", "checkpoint_filter_fn", "generate_default_cfgs")


class Lines(NamedTuple):
    """Lines of code, without blank lines, comments and docstrings; and all lines of what counts."""

    code: int
    every: int

    def __str__(self) -> str:
        return f"{self.code}, {self.every}"


def own_nodes(module: ast.Module) -> list[ast.stmt]:
    """The statements that are the network."""
    return [node for node in module.body if not _is_of_library(node)]


def _is_of_library(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return True
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.ClassDef):
        return any("WeightsEnum" in ast.unparse(base) for base in node.bases)
    if isinstance(node, ast.FunctionDef):
        decorators = " ".join(ast.unparse(one) for one in node.decorator_list)
        arguments = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
        is_registered = any(word in decorators for word in _OF_LIBRARY)
        return is_registered or bool(arguments & _BUILDER_ARGUMENTS) or node.name in _LOADERS
    return False


def counts(source: str, classes: Iterable[str] = ()) -> Lines:
    """The lines of a file, or of some of its classes."""
    wanted = set(classes)
    nodes = own_nodes(ast.parse(source))
    if wanted:
        nodes = [node for node in nodes if isinstance(node, ast.ClassDef) and node.name in wanted]
        assert {node.name for node in nodes if isinstance(node, ast.ClassDef)} == wanted, wanted
    lines: set[int] = set()
    for node in nodes:
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        assert node.end_lineno is not None
        lines.update(range(first, node.end_lineno + 1))
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            left_out.update(range(node.lineno, node.end_lineno + 1))
    code: set[int] = set()
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in blank:
            code.update(range(token.start[0], token.end[0] + 1))
    return Lines(len(code & lines - left_out), len(lines))


def original(name: str) -> Lines | None:
    """The lines of what a network comes from; ``None`` where that is not installed, or not in any library."""
    found = []
    for part in ORIGINALS.get(name, ()):
        module, _, classes = part.partition(":")
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            return None
        spec = importlib.util.find_spec(module)
        assert spec is not None and spec.origin is not None
        found.append(counts(Path(spec.origin).read_text(), classes.split(",") if classes else ()))
    return Lines(sum(one.code for one in found), sum(one.every for one in found)) if found else None


def complaints(command: Sequence[str], files: Iterable[Path]) -> set[str]:
    """The networks of whose files a linter says something."""
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return {file.stem for file in files if file.name in said} if done.returncode else set()


def rows(folder: Path) -> list[str]:
    files = []
    measured: dict[str, tuple[Lines, float, Lines | None]] = {}
    for one in resdsl.specs():
        files.append(folder / f"{one.name}.py")
        exported = resdsl.export(one.name, files[-1])
        deviation = largest_deviation(resdsl.load(one.name), exported, files[-1])
        measured[one.name] = counts(exported.text), deviation, original(one.name)
        print(one.name, *measured[one.name], file=sys.stderr, flush=True)
    ruff = complaints(["ruff", "check", "--isolated", "--no-cache", "--select", RULES, str(folder)], files)
    ruff |= complaints(["ruff", "format", "--isolated", "--no-cache", "--check", str(folder)], files)
    mypy = complaints(["mypy", "--strict", "--cache-dir", str(folder / "cache"), str(folder)], files)
    lines = [
        "| network | largest deviation | ruff, mypy | exported | original | ratio of code | of all lines |",
        "|---|--:|---|--:|--:|--:|--:|",
    ]
    for name, (ours, deviation, theirs) in measured.items():
        said = ", ".join("errors" if name in found else "fine" for found in (ruff, mypy))
        ratios = ("", "") if theirs is None else (f"{a / b:.2f}" for a, b in zip(ours, theirs, strict=True))
        shown = f"{deviation:.0e}" if deviation else "0"
        cells = (f"`{name}`", shown, said, ours, "" if theirs is None else theirs, *ratios)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, metavar="PAGE", help="write the table into this page")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="exported-") as folder:
        table = "".join(f"{line}\n" for line in rows(Path(folder)))
    if given.into is None:
        print(table, end="")
        return 0
    page = given.into.read_text()
    if not PART.search(page):
        parser.error(f"{given.into} has no part <!-- generated: exported -->")
    given.into.write_text(PART.sub(lambda part: f"{part[1]}{table}{part[2]}", page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
