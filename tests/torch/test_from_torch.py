"""Modules of PyTorch as texts: ``resdsl.from_torch`` and ``resdsl import``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import resdsl
import resdsl.torch
from resdsl.analysis.same_network import same_network
from resdsl.cli.app import app
from resdsl.diagnostics import CompileError, RunError
from resdsl.ir.graph import Graph, Node
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.windows import sides
from resdsl.passes.drop_aux import drop_aux
from resdsl.passes.drop_identity import drop_identity

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

pytestmark = pytest.mark.torch

Conv = nn.Conv2d


class Layers(nn.Module):
    """Layers by the keywords that a test gives, and what the test does with them."""

    def __init__(self, forward: Any, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.does = forward

    def forward(self, *x: Any) -> Any:
        return self.does(self, *x)


def statements_of(module: nn.Module, shape: tuple[int, ...] = (2, 3, 16, 16)) -> list[str]:
    """The statements of the module's text, which is proved against it."""
    imported = resdsl.from_torch(module.eval(), torch.randn(shape))
    assert imported.proof is not None and imported.proof.outputs >= 1
    lines = imported.text.splitlines()
    body = lines[next(place for place, line in enumerate(lines) if line.startswith("model ")) + 1 : -1]
    parts = [part.strip() for line in body for part in re.split(r";  ", line)]
    return [part for part in parts if part and not part.startswith(("input ", "expect ", "#"))]


def test_functional_activations_and_means_are_operators() -> None:
    model = Layers(
        lambda m, x: m.fc(m.drop(F.relu(m.conv(x)).mean((2, 3)))),
        conv=Conv(3, 8, 3, padding=1),
        drop=nn.Dropout(0.2),
        fc=nn.Linear(8, 5),
    )
    assert statements_of(model) == [
        "conv: conv(8, 3x3, bias = true)",
        "relu",
        "avgpool(global)",
        "flatten",
        "dropout(rate = 0.2)",
        "fc: linear(classes)",
        "output logits",
    ]


def test_concatenation_and_padding_are_joins_and_pads() -> None:
    model = Layers(
        lambda m, x: m.c(F.pad(torch.cat([m.a(x), F.relu(m.b(x))], 1), (1, 1, 2, 2))),
        a=Conv(3, 8, 3, padding=1),
        b=Conv(3, 8, 1),
        c=Conv(16, 8, 3),
    )
    assert statements_of(model)[:2] == [
        "concat { a: conv(8, 3x3, bias = true); { b: conv(8, 1x1, bias = true); relu } }",
        "c: conv(8, 3x3, pad = 2x1, bias = true)",
    ]


def test_chunks_are_slices_and_a_shuffle_of_views_is_one_operator() -> None:
    def forward(m: Any, x: Any) -> Any:
        first, second = m.a(x).chunk(2, 1)
        x = torch.cat([first, m.b(second)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)

    assert statements_of(Layers(forward, a=Conv(3, 8, 3, padding=1), b=Conv(4, 4, 1)))[1:] == [
        "concat { slice(0, 4); { slice(4, 8); b: conv(4, 1x1, bias = true) } }",
        "channel_shuffle(2)",
        "output output",
    ]


def test_a_gate_of_linear_layers_is_one_of_convolutions() -> None:
    def forward(m: Any, x: Any) -> Any:
        gate = torch.sigmoid(m.expand(F.relu(m.squeeze(x.mean((2, 3))))))
        return x * gate.view(x.size(0), -1, 1, 1).expand_as(x)

    text = statements_of(Layers(forward, squeeze=nn.Linear(3, 2), expand=nn.Linear(2, 3)))
    assert "mul {" in text and "squeeze: conv(2, 1x1, bias = true)" in text and "sigmoid" in text


def test_vectors_divided_by_their_length_are_one_operator() -> None:
    forms = {
        "l2_normalize": lambda m, x: F.normalize(m.conv(x)),
        "l2_normalize(eps = 0.5)": lambda m, x: F.normalize(m.conv(x), eps=0.5),
        "l2_normalize(eps = 0.0)": lambda m, x: (y := m.conv(x)) / y.norm(2, 1, keepdim=True),
        "l2_normalize(eps = 0.25)": lambda m, x: (y := m.conv(x)) * y.square().sum(1, True).clamp_min(0.0625).rsqrt(),
    }
    for expected, forward in forms.items():
        statements = statements_of(Layers(forward, conv=Conv(3, 8, 1)))
        assert statements == ["conv: conv(8, 1x1, bias = true)", expected, "output output"]


def test_modules_in_lists_that_a_loop_calls_keep_their_names() -> None:
    def forward(m: Any, x: Any) -> Any:
        x = m.stem(x)
        for layer in m.layers:
            x = x + layer(x)
        return x

    layers = nn.ModuleList(nn.Sequential(Conv(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)) for _ in range(3))
    model = Layers(forward, stem=Conv(3, 8, 1), layers=layers)
    imported = resdsl.from_torch(model, torch.randn(2, 3, 16, 16))
    names = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    assert set(imported.specification.graph.parameters) == names
    assert not imported.renamed and not imported.unused


class Scaled(nn.Module):
    """A residual block with a layer scale of its own, as ConvNeXt's in timm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv(8, 8, 3, padding=1)
        self.gamma = nn.Parameter(torch.full((8,), 1e-6))

    def forward(self, x: Any) -> Any:
        return x + self.conv(x) * self.gamma.reshape(1, -1, 1, 1)


def test_a_tensor_of_a_block_is_a_layer_of_that_name(tmp_path: Path) -> None:
    model = nn.Sequential(Conv(3, 8, 1), nn.Sequential(*(Scaled() for _ in range(3))))
    imported = resdsl.from_torch(model, torch.randn(2, 3, 8, 8), tmp_path / "net.res")
    assert "gamma: affine(bias = false)" in imported.text and "3 x scaled" in imported.text
    assert not imported.renamed and not imported.unused
    torch.save(model.state_dict(), tmp_path / "own.pth")
    compiled = resdsl.compile(tmp_path / "net.res", tmp_path / "net.onnx", weights=tmp_path / "own.pth")
    assert compiled.random == 0
    assert resdsl.verify(tmp_path / "net.res", model).agrees
    model[1][2].gamma = nn.Parameter(torch.ones(4))
    assert not resdsl.verify(tmp_path / "net.res", model).agrees


def test_a_layer_that_is_called_twice_becomes_two_and_is_reported() -> None:
    model = Layers(lambda m, x: m.layer(F.relu(m.layer(x))), layer=Conv(3, 3, 3, padding=1))
    imported = resdsl.from_torch(model, torch.randn(2, 3, 8, 8))
    assert imported.renamed == ("layer_2.weight", "layer_2.bias")


def test_outputs_have_the_keys_of_the_module() -> None:
    def outputs(form: Any) -> list[str]:
        def forward(m: Any, x: Any) -> Any:
            low = m.a(x)
            return form(low, m.b(low))

        model = Layers(forward, a=Conv(3, 8, 1), b=Conv(8, 8, 1))
        imported = resdsl.from_torch(model, torch.randn(2, 3, 8, 8))
        return [output.name for output in imported.specification.graph.outputs]

    assert outputs(lambda low, high: {"low": low, "deep": {"high": high}}) == ["low", "deep_high"]
    assert outputs(lambda low, high: (low, high)) == ["output_0", "output_1"]
    assert outputs(lambda low, _high: low) == ["output"]


@pytest.mark.parametrize(
    ("layer", "statement"),
    [
        (nn.LocalResponseNorm(5, 2e-4, 0.6, 2.0), "lrn(alpha = 0.0002, beta = 0.6, k = 2.0)"),
        (nn.GroupNorm(2, 8), "1: group_norm(2)"),
        (nn.InstanceNorm2d(8, affine=True), "1: instance_norm(affine = true)"),
        (nn.InstanceNorm2d(8), "instance_norm"),
        (nn.PReLU(8), "1: prelu(per_channel = true)"),
        (nn.Hardtanh(0, 6), "relu6"),
        (nn.GELU("tanh"), "gelu(approximate = tanh)"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "upsample(mode = bilinear)"),
        (nn.Upsample(size=(20, 12), mode="bilinear"), "interpolate(20x12, mode = bilinear)"),
        (nn.AdaptiveAvgPool2d((4, 8)), "avgpool(4x2, stride = 4x2, pad = valid)"),
        (nn.PixelUnshuffle(2), "space_to_depth(2, order = channels)"),
        (nn.ConvTranspose2d(8, 4, 2, stride=2), "1: conv_transpose(4, 2x2, stride = 2, bias = true)"),
        (Conv(8, 8, 3, padding="same", dilation=2), "1: conv(8, 3x3, dilation = 2, bias = true)"),
    ],
)
def test_a_layer_of_pytorch_is_an_operator(layer: nn.Module, statement: str) -> None:
    assert statements_of(nn.Sequential(Conv(3, 8, 1), layer))[:2] == ["0: conv(8, 1x1, bias = true)", statement]


def test_changes_in_place_are_values_of_their_own() -> None:
    def forward(m: Any, x: Any) -> Any:
        x = m.conv(x)
        before = x + 1
        x.relu_()
        return x + m.other(before)

    assert statements_of(Layers(forward, conv=Conv(3, 4, 1), other=Conv(4, 4, 1)))


def test_a_decision_by_values_is_refused_with_its_line() -> None:
    def forward(m: Any, x: Any) -> Any:
        x = m.conv(x)
        if x.mean() > 0:  # the line
            x = -x
        return x

    with pytest.raises(RunError) as raised:
        resdsl.from_torch(Layers(forward, conv=Conv(3, 4, 1)), torch.randn(2, 3, 8, 8))
    error = raised.value.diagnostic
    assert error.code.id == "E0856"
    assert error.primary is not None and "# the line" in error.primary.span.text


def test_a_module_that_fails_is_reported_with_its_line() -> None:
    with pytest.raises(RunError) as raised:
        resdsl.from_torch(Layers(lambda m, x: m.conv(x).view(7, 7), conv=Conv(3, 4, 1)), torch.randn(2, 3, 8, 8))
    error = raised.value.diagnostic
    assert error.primary is not None and "view(7, 7)" in error.primary.span.text


def test_everything_that_the_language_lacks_is_listed_at_once() -> None:
    def forward(m: Any, x: Any) -> Any:
        x = m.head.conv(x)
        return torch.cumsum(torch.sort(x, 1)[0], 1)

    model = Layers(forward, head=nn.ModuleDict({"conv": Conv(3, 4, 1), "pool": nn.AdaptiveAvgPool2d(3)}))
    with pytest.raises(CompileError) as raised:
        resdsl.from_torch(model, torch.randn(2, 3, 8, 8))
    notes = raised.value.diagnostic.notes
    assert raised.value.diagnostic.code.id == "E0852"
    assert {note.split()[0] for note in notes[1:]} == {"cumsum", "sort"}
    pool = Layers(lambda m, x: m.head.pool(m.head.conv(x)), head=model.head)
    with pytest.raises(CompileError) as raised:
        resdsl.from_torch(pool, torch.randn(2, 3, 8, 8))
    (row,) = raised.value.diagnostic.notes[1:]
    assert row.split()[:3] == ["adaptive_avg_pool2d", "1", "head.pool"]
    assert "windows of different sizes: 8x8 pixels to 3x3" in row


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)), torch.zeros(2, 6, dtype=torch.long)),
        (
            Layers(lambda m, x, y: m.a(x) + m.a(y), a=Conv(3, 4, 1)),
            (torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)),
        ),
    ],
    ids=["integers", "two inputs"],
)
def test_other_inputs_than_one_image_are_refused(model: nn.Module, example: Any) -> None:
    with pytest.raises(CompileError) as raised:
        resdsl.from_torch(model, example)
    assert raised.value.diagnostic.code.id == "E0852"


def test_the_module_is_not_changed() -> None:
    model = nn.Sequential(Conv(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    resdsl.from_torch(model, torch.randn(2, 3, 8, 8))
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_norm_that_is_read_wrongly_shows_although_it_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    from resdsl.torch.tracing import call as calls

    original = calls.WRITERS["batch_norm"]

    def wrong(call: Any) -> None:
        swapped = {"running_mean": call.arguments["bias"], "bias": call.arguments["running_mean"]}
        original(calls.Call(call.records, call.node, {**call.arguments, **swapped}, call.metadata))

    monkeypatch.setitem(calls.WRITERS, "batch_norm", wrong)
    with pytest.raises(CompileError) as raised:
        resdsl.from_torch(nn.Sequential(Conv(3, 8, 1), nn.BatchNorm2d(8)), torch.randn(2, 3, 8, 8))
    assert raised.value.diagnostic.code.id == "E0853"


MODEL = """
import torch
from torch import nn

print("the code runs")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.extra = nn.Linear(2, 2)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(torch.relu(self.bn1(self.conv1(x))).mean((2, 3)))
"""


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(MODEL, encoding="utf-8")
    return path


def test_code_is_only_run_on_request(model_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = run(f"{model_file}:Net", "-o", tmp_path / "net.res")
    assert done.exit_code == 2
    assert "runs its code" in done.stderr and "--run-code" in done.stderr
    assert "the code runs" not in done.output + "".join(capfd.readouterr())
    assert not (tmp_path / "net.res").exists()


def test_a_class_in_a_file_becomes_a_text_that_takes_its_checkpoint(model_file: Path, tmp_path: Path) -> None:
    text, weights = tmp_path / "net.res", tmp_path / "w.safetensors"
    done = run(f"{model_file}:Net", "--run-code", "--input", "N,3,32,32", "-o", text, "--weights-out", weights)
    assert done.exit_code == 0, done.stderr
    assert "importing and running" in done.stderr and "`extra.weight`, `extra.bias`" in done.stderr
    assert "bn1: bn" in text.read_text() and "fc: linear(classes)" in text.read_text()
    # The same seed makes the same weights.
    from resdsl.torch.subject import made_at

    model = made_at(f"{model_file}:Net", seed=0).eval()
    torch.save(model.state_dict(), tmp_path / "own.pth")
    image = np.random.default_rng(1).standard_normal((1, 3, 32, 32)).astype(np.float32)
    expected = model(torch.from_numpy(image)).detach().numpy()
    for given, options in ((weights, {}), (tmp_path / "own.pth", {"ignore": ["extra.*"]})):
        resdsl.compile(text, tmp_path / "net.onnx", weights=given, **options)
        session = resdsl.open_session(tmp_path / "net.onnx", device="cpu")
        (found,) = session.run({session.inputs[0].name: image}, ["logits"]).values()
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_model_of_a_library_needs_no_flag(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    done = run("torchvision:resnet18", "-o", tmp_path / "net.res", "--no-proof")
    assert done.exit_code == 0, done.stderr
    found, expected = resdsl.load(tmp_path / "net.res").graph, resdsl.load("resnet18").graph
    assert [(one.operator, one.path) for one in found.nodes] == [
        (one.operator, one.path) for one in expected.nodes if one.path != "softmax"
    ]


def test_a_model_that_the_library_does_not_have_is_an_error() -> None:
    pytest.importorskip("timm")
    done = run("timm:resnet51q_no")
    assert done.exit_code == 1 and "E0855" in done.stderr


LIGHT = {"resnet18", "mobilenet_v2", "resnet_cifar", "resnetv2_cifar", "densenet_cifar"}
BUILTIN = [pytest.param(one.name, marks=pytest.mark.parity(heavy=one.name not in LIGHT)) for one in resdsl.specs()]

LONGER = {
    "ensemble_resnet": "its members are networks of other files",
    "fcn_resnet50": "the dilated block has an argument more than the library's, so it is written out",
    "inception_resnet_v1": "a block of the library that is used once is written out",
    "inception_resnet_v2": "a block of the library that is used once is written out",
    "inception_v4": "a block of the library that is used once is written out",
    "resnet50d": "the library's block has an `identity`, which leaves no trace, so it is written out",
}
"""Networks whose texts take blocks from other files that the text of a module has in itself, and why."""


def shape_of(specification: resdsl.Specification) -> list[int | str]:
    """The input shape, with symbolic sizes as names, which leaves them open."""
    return [size if isinstance(size, int) else str(size) for size in specification.graph.input.type.shape]


def traced(graph: Graph) -> Graph:
    """What a trace shows of a network: no head for training, no ``identity``, and no padding that is none."""
    graph = drop_identity(drop_aux(graph), only={"identity"})
    return replace(graph, nodes=tuple(replace(node, operator=without_padding(graph, node)) for node in graph.nodes))


def without_padding(graph: Graph, node: Node) -> Operator:
    """The operator of a node; for an average pool that pads nothing, whether it would count that is of no account."""
    pool = node.operator
    if not isinstance(pool, AvgPool) or not isinstance(pool.kernel, Size):
        return pool
    around = sides(pool.pad, graph.nodes[node.inputs[0]].type, pool.kernel, pool.stride, Size(1, 1))
    return pool if any(around) else replace(pool, count_pad=True)


def length(text: str) -> int:
    """The number of statements."""
    parts = [part for line in text.splitlines() for part in line.split("#")[0].split(";")]
    return sum(bool(part.strip(" {}")) for part in parts)


@pytest.mark.parametrize("name", BUILTIN)
def test_text_to_module_to_text_is_the_same_network(name: str) -> None:
    specification = resdsl.load(name)
    expected = traced(specification.graph)
    # With their names: a module that gives one tensor does not name it.
    module = resdsl.torch.module(specification, outputs=[output.name for output in expected.outputs])
    imported = resdsl.from_torch(module, input_shape=shape_of(specification), proof=False)
    assert same_network(expected, imported.specification.graph)
    assert set(imported.specification.graph.parameters) == set(expected.parameters)
    assert name in LONGER or length(imported.text) <= 1.3 * length(specification.source.text)


@pytest.mark.parametrize("name", BUILTIN)
def test_source_to_text_is_the_same_network(name: str, tmp_path: Path) -> None:
    specification = resdsl.load(name)
    expected = traced(specification.graph)
    exported = resdsl.export(name, tmp_path / "net.py")
    address = f"{tmp_path / 'net.py'}:{exported.name}"
    imported = resdsl.import_network(address, run_code=True, input_shape=shape_of(specification), proof=False)
    graph = imported.specification.graph
    if len(graph.outputs) == len(expected.outputs) == 1:
        named = replace(graph.outputs[0], name=expected.outputs[0].name)
        graph = replace(graph, outputs=(named,))
    assert same_network(expected, graph)
