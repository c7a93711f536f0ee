"""How long exported code is beside the code that the networks come from: a table in Markdown.

``python tests/export/lengths.py``, in an environment with torchvision and timm. An original counts without what only
its library needs: weights, registered names, and functions that build models by name or load checkpoints.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import tokenize
from pathlib import Path

import resdsl

ORIGINALS = {
    "resnet50": "torchvision.models.resnet",
    "resnext50_32x4d": "torchvision.models.resnet",
    "wide_resnet50_2": "torchvision.models.resnet",
    "densenet121": "torchvision.models.densenet",
    "googlenet": "torchvision.models.googlenet",
    "inception_v3": "torchvision.models.inception",
    "mobilenet_v2": "torchvision.models.mobilenetv2",
    "vgg19": "torchvision.models.vgg",
    "inception_v4": "timm.models.inception_v4",
    "inception_resnet_v2": "timm.models.inception_resnet_v2",
    "resnetv2_50": "timm.models.resnetv2",
}
"""Networks of which one file of a library has little more than the network."""

_OF_LIBRARY = ("register_model", "handle_legacy_interface")
_BUILDER_ARGUMENTS = {"weights", "pretrained", "cfg", "url"}
_LOADERS = ("_load_state_dict", "_load_weights", "checkpoint_filter_fn", "generate_default_cfgs")


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


def counts(source: str) -> tuple[int, int]:
    """Lines of code, without blank lines, comments and docstrings; and all lines of what counts."""
    nodes = own_nodes(ast.parse(source))
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
    return len(code & lines - left_out), len(lines)


def original(module: str) -> tuple[int, int]:
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return counts(Path(spec.origin).read_text())


def main() -> None:
    print("| network | exported: code, all lines | original: code, all lines | | ratio of code |")
    print("|---|---|---|---|---|")
    for name, module in ORIGINALS.items():
        (ours, every), (theirs, all_of_theirs) = counts(resdsl.export(name).text), original(module)
        print(f"| `{name}` | {ours}, {every} | {theirs}, {all_of_theirs} | `{module}` | {ours / theirs:.2f} |")


if __name__ == "__main__":
    main()
