"""The source code of built-in networks: how it reads, and that linters have nothing to say. Needs no torch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import resdsl

READ = ("resnet50", "densenet121", "resnetv2_50", "seresnet50", "inception_v3", "resnet50_fpn", "mobilenet_v2", "vgg19")
"""Networks whose code was read beside the originals."""

FAMILIES = (
    *READ,
    *("resnet18", "resnext50_32x4d", "resnet_cifar", "resnet50d", "plain18", "fcn_resnet50", "wrn_16_8"),
    *("densenet_cifar", "googlenet", "inception_v4", "inception_resnet_v1"),
)
"""One network of each form; ``--parity`` takes all."""

RULES = "E,F,I,UP,B,C4,SIM,PIE,PERF,RUF"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A folder with the code of built-in networks."""
    folder = tmp_path_factory.mktemp("exported")
    for name in (one.name for one in resdsl.specs()) if pytestconfig.getoption("--parity") else FAMILIES:
        resdsl.export(name, folder / f"{name}.py")
    return folder


def ruff(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "ruff", *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("name", READ)
def test_the_code_of_a_built_in_network_reads_as_it_was_reviewed(
    exported: Path, name: str, golden: Callable[[str], None]
) -> None:
    golden((exported / f"{name}.py").read_text())


def test_a_built_in_network_is_formatted_as_ruff_does(exported: Path) -> None:
    assert ruff("format", "--isolated", "--diff", str(exported)) == ""


def test_the_linter_has_nothing_to_say_about_a_built_in_network(exported: Path) -> None:
    assert ruff("check", "--isolated", "--select", RULES, str(exported)) == ""


def test_the_code_imports_torch_and_nothing_else(exported: Path) -> None:
    files = sorted(exported.iterdir())
    assert len(files) >= len(FAMILIES)
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert {one.name for one in node.names} <= {"torch", "torch.nn.functional"}
            elif isinstance(node, ast.ImportFrom):
                assert node.module in ("torch", "collections")


def classes(text: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}


def arguments(made: ast.ClassDef) -> dict[str, str]:
    """The constructor arguments of a class, with their defaults."""
    (init,) = [node for node in made.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    names = [one.arg for one in init.args.args[1:]]
    defaults = [ast.unparse(one) for one in init.args.defaults]
    return dict(zip(names, [""] * (len(names) - len(defaults)) + defaults, strict=True))


def test_parameters_of_the_model_and_of_its_blocks_are_constructor_arguments() -> None:
    found = classes(resdsl.export("densenet_cifar").text)
    assert arguments(found["DenseNetCIFAR"]) == {
        "classes": "10",
        "depth": "100",
        "growth": "12",
        "dropout_rate": "0.0",
    }
    assert arguments(found["DenseLayer"]) == {"in_channels": "", "growth": "", "dropout_rate": "0.0"}
    # What no call of a block gives is no argument of its class: groups, base width, dilation.
    assert arguments(classes(resdsl.export("resnet50").text)["Bottleneck"]) == {
        "in_channels": "",
        "width": "",
        "stride": "1",
    }
    assert "groups" in arguments(classes(resdsl.export("resnext50_32x4d").text)["Bottleneck"])


def test_set_gives_the_arguments_of_the_class_their_defaults() -> None:
    found = resdsl.export("resnet50", set={"classes": 10})
    assert found.arguments == {"classes": 10}
    assert "def __init__(self, classes: int = 10) -> None:" in found.text


TEXT = """
block unit(width, stride = 1, kernel: size = 3x3, gated = false) {{
  residual {{
    conv1: conv(width, kernel, stride = stride);  bn1: bn;  relu
    conv2: conv(width, 3x3);  bn2: bn
    if gated {{ mul {{ identity; {{ avgpool(global); gate: conv(channels, 1x1); sigmoid }} }} }}
  }} shortcut projection {{ downsample: {{ conv(width, 1x1, stride = stride); bn }} }}
  relu
}}
model net(classes = 4) {{
  input x: f32[N, 3, 32, 32]
  {body}
  avgpool(global);  flatten
  fc: linear(classes)
  output y
}}
"""


def exported_text(body: str) -> str:
    return resdsl.export(resdsl.loads(TEXT.format(body=body))).text


def test_a_projection_is_made_where_the_shape_changes() -> None:
    text = exported_text("stage a { 2 x unit(8) };  stage b(stride = 2) { 3 x unit(16) }")
    assert "if stride != 1 or in_channels != width:" in text
    assert "self.downsample: nn.Module | None = None" in text
    assert "Unit(8, 16, stride=2), *[Unit(16, 16) for _ in range(2)]" in text


def test_a_projection_that_every_instance_has_is_no_condition() -> None:
    text = exported_text("a: unit(8);  b: unit(16)")
    assert "None" not in re.sub(r"-> None", "", text)


def test_a_padding_that_follows_from_the_kernel_is_an_argument() -> None:
    text = exported_text("a: unit(8, kernel = 1x7);  b: unit(8, kernel = 3x3);  c: unit(8, kernel = 5)")
    assert "kernel: int | tuple[int, int]" in text
    assert "padding: int | tuple[int, int] = 0" in text
    assert "Unit(3, 8, kernel=(1, 7), padding=(0, 3))" in text


def test_a_condition_in_a_block_is_a_condition_of_the_class() -> None:
    text = exported_text("a: unit(8);  b: unit(8, gated = true)")
    assert "gated: bool = False" in text
    assert "if gated:" in text
    assert "if self.gated:" in text


def test_a_loop_over_rows_is_a_loop_over_tuples() -> None:
    text = exported_text("blocks: { for (c, n) in [[8, 2], [16, 1]] { unit(c, stride = 2);  n x unit(c) } }")
    assert "for c, n in [(8, 2), (16, 1)]:" in text
    assert "*[Unit(c, c) for _ in range(n)]" in text


def test_equal_blocks_have_one_class() -> None:
    assert list(classes(exported_text("a: unit(8);  b: unit(16);  c: unit(16, stride = 2)"))) == ["Unit", "Net"]


@pytest.mark.parametrize("label", ["half", "forward", "class", "lambda", "0", "x", "training", "self", "torch", "nn"])
def test_a_label_may_be_any_name(label: str) -> None:
    # The proof runs the code, so that it is right if it is given.
    body = "conv(3, 1x1); relu" if label in ("class", "lambda") else f"{label}: conv(3, 1x1); relu"
    assert "nn.Conv2d(3, 3, 1, bias=False)" in exported_text(f"part: {{ {body} }};  {label}.a: conv(3, 1x1)")


@pytest.mark.parametrize(
    "comment", ['A """quote""" and a \\', 'ends in a quote"', "\x1b[31mred", "a" * 120, "{x} \\N{no}"]
)
def test_a_comment_of_any_text_is_a_docstring(comment: str, tmp_path: Path) -> None:
    text = f"# {comment}\n{TEXT.format(body='a: unit(8)').lstrip()}"
    (tmp_path / "net.py").write_text(resdsl.export(resdsl.loads(text)).text)
    assert ruff("format", "--isolated", "--diff", str(tmp_path)) == ""
    (doc,) = [
        ast.get_docstring(made) for made in classes((tmp_path / "net.py").read_text()).values() if made.name == "Unit"
    ]
    assert doc is not None
    assert "\x1b" not in doc


def test_a_parameter_may_be_called_like_what_the_code_uses() -> None:
    text = """
    block b(self, x, torch = 1, lambda = 2, F = 3) {
      conv: conv(self * x, 3x3, stride = torch);  c: conv(lambda * F, 1x1)
    }
    model nn(list = 4, range = 5) {
      input Tensor: f32[N, 3, 8, 8]
      a: b(list, 2, torch = 2, lambda = 3, F = 1);  c: b(range, 1, torch = 1, lambda = 1, F = 2)
      output super
    }
    """
    assert resdsl.export(resdsl.loads(text)).arguments == {"list_": 4, "range_": 5}
