"""Matching tensors by name, and reports of mismatches: networks are built-in, the causes made by hand."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from resdsl.cli.flags import as_flags
from resdsl.diagnostics import Diagnostic, Diagnostics, Option, Source, Text
from resdsl.diagnostics.options import spelled
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Graph, Stored
from resdsl.ir.initializers import VarianceScaling
from resdsl.weights.checkpoint import Checkpoint, TensorInfo
from resdsl.weights.formats.open import open_checkpoint
from resdsl.weights.match import MatchReport, match
from resdsl.weights.renaming import rename, suggest_renamings
from resdsl.weights.values import value_of

from ..building import network, shipped

REFERENCE = Path(__file__).parents[1] / "reference"
Shapes = dict[str, tuple[int, ...]]


class Listing(Checkpoint):
    """A checkpoint of which only names and shapes are known."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], name: str = "w.pth", dtype: str = "float32") -> None:
        super().__init__(Path(name))
        self.metadata = {}
        self.tensors = {key: TensorInfo(shape, dtype) for key, shape in shapes.items()}


def shapes(graph: Graph) -> Shapes:
    return {name: parameter.shape for name, parameter in graph.parameters.items()}


def renamed(graph: Graph, change: Callable[[str], str]) -> Shapes:
    """The network's own tensors by other names; those without a name are left out."""
    return {change(name): shape for name, shape in shapes(graph).items() if change(name)}


def found(graph: Graph, stored: Mapping[str, tuple[int, ...]], **how: object) -> tuple[list[Diagnostic], MatchReport]:
    diagnostics = Diagnostics()
    _, report = match(graph, Listing(stored), diagnostics, **how)  # type: ignore[arg-type]
    return list(diagnostics), report


def only(graph: Graph, stored: Mapping[str, tuple[int, ...]], **how: object) -> Diagnostic:
    """The single cause of a misfit."""
    (diagnostic,), _ = found(graph, stored, **how)
    return diagnostic


def with_classes(name: str, classes: int) -> Graph:
    path = Path(__file__).parents[2] / "specs" / f"{name}.res"
    program = load_program(Source(path.name, path.read_text(), path), Diagnostics())
    graph = elaborate(program, Diagnostics(), arguments={"classes": classes})
    assert graph is not None
    return graph


@pytest.fixture(scope="module")
def resnet50() -> Graph:
    return shipped("resnet50")


def has(*parts: str) -> Callable[[str], str]:
    """A change that leaves out the names that begin with one of ``parts``."""
    return lambda name: "" if name.startswith(parts) else name


# What fits


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "densenet121"])
def test_the_tensors_of_the_libraries_fit_without_a_diagnostic(name: str) -> None:
    listed = json.loads((REFERENCE / f"{name}.json").read_text())["state_dict"]
    diagnostics, report = found(shipped(name), {key: tuple(shape) for key, shape in listed.items()})
    assert diagnostics == []
    assert report.is_complete
    assert len(report.loaded) == len(listed)


def test_parameters_come_from_the_file_with_its_keys() -> None:
    graph = network("fc1: flatten; fc: linear(5); output y", "N, 4, 1, 1")
    diagnostics = Diagnostics()
    with open_checkpoint(Path(__file__).parent / "data" / "training.pth") as checkpoint:
        matched, report = match(graph, checkpoint, diagnostics, partial=True)
        source = matched.parameters["fc.weight"].source
        assert isinstance(source, Stored)
        assert source.key == "module.fc.weight"
        with np.load(Path(__file__).parent / "data" / "expected.npz") as expected:
            np.testing.assert_array_equal(
                value_of(matched.parameters["fc.weight"]), expected["training.pth/module.fc.weight"]
            )
    assert report.prefixes == ("module.",)
    assert report.wrapper == "state_dict"
    assert report.ignored == ("module.bn1.num_batches_tracked",)
    assert str(report) == (
        "2 tensors (25 values) from `training.pth`; under the key `state_dict`; prefix `module.` removed;"
        " 1 training counter ignored; 5 unused"
    )


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "backbone.", "module._orig_mod.", "model.module."]
)
def test_what_wrappers_put_before_names_is_taken_off_and_reported(resnet50: Graph, prefix: str) -> None:
    diagnostics, report = found(resnet50, renamed(resnet50, lambda name: prefix + name))
    assert diagnostics == []
    assert "".join(report.prefixes) == prefix
    assert f"`{report.prefixes[0]}` removed" in str(report)


def test_a_prefix_that_the_network_has_too_is_kept() -> None:
    graph = network("backbone: { conv: conv(4, 3x3) }; head.conv: conv(2, 1x1); output y")
    diagnostics, report = found(graph, shapes(graph))
    assert (diagnostics, report.prefixes) == ([], ())


def test_a_name_with_and_without_a_prefix_is_two_tensors(resnet50: Graph) -> None:
    stored = shapes(resnet50) | renamed(resnet50, lambda name: f"module.{name}")
    _, report = found(resnet50, stored)
    assert report.prefixes == ()
    assert len(report.unexpected) == len(resnet50.parameters)


def test_counters_and_the_state_of_an_optimizer_are_ignored_and_counted(resnet50: Graph) -> None:
    extra: Shapes = {"bn1.num_batches_tracked": (), "n_averaged": (), "optimizer.state.0.momentum": (64,)}
    diagnostics, report = found(resnet50, shapes(resnet50) | extra)
    assert diagnostics == []
    assert report.ignored == tuple(extra)


def test_a_convolution_of_one_point_is_a_linear_layer(resnet50: Graph) -> None:
    _, report = found(resnet50, shapes(resnet50) | {"fc.weight": (1000, 2048, 1, 1)})
    assert report.reshaped == ("fc.weight",)
    convolutional = shipped("resnet50_conv")
    (name,) = [name for name in convolutional.parameters if convolutional.parameters[name].shape == (1000, 2048, 1, 1)]
    _, report = found(convolutional, shapes(convolutional) | {name: (1000, 2048)})
    assert report.reshaped == (name,)
    assert report.is_complete


def test_published_densenets_have_names_from_before_a_change() -> None:
    def old(name: str) -> str:
        for part in ("norm1", "norm2", "conv1", "conv2"):
            name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
        return name

    graph = shipped("densenet121")
    diagnostics, report = found(graph, renamed(graph, old))
    # Two norms of four tensors and two convolutions in each of the 58 dense layers.
    assert (diagnostics, report.renamed) == ([], 58 * 10)


def test_a_tensor_that_a_block_owns_is_the_weight_of_the_layer_of_its_name() -> None:
    graph = network("part: { conv: conv(4, 3x3); gamma: affine(bias = false) }; gamma: affine(bias = false); output y")
    stored = {"part.conv.weight": (4, 3, 3, 3), "part.gamma": (4,), "gamma": (4, 1, 1)}
    diagnostics, report = found(graph, stored)
    assert (diagnostics, report.renamed, report.is_complete) == ([], 2, True)
    # Beside a tensor of the full name it is another one.
    diagnostics, report = found(graph, stored | {"part.gamma.weight": (4,)})
    assert (len(diagnostics), report.unexpected) == (1, ("part.gamma",))


# Renames


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("a.norm1.weight", "norm1", "bn1", "a.bn1.weight"),
        ("a.xnorm1.weight", "norm1", "bn1", "a.xnorm1.weight"),
        ("a.norm1x.weight", "norm1", "bn1", "a.norm1x.weight"),
        ("encoder.body.conv.weight", "encoder.body", "", "conv.weight"),
        ("a.encoder.b", "encoder", "", "a.b"),
        ("conv.weight", "", "features", "features.conv.weight"),
        ("a.b.a.b", "a.b", r"\1", r"\1.\1"),
        ("axb.c", "a.b", "d", "axb.c"),
    ],
)
def test_whole_parts_of_names_are_renamed(name: str, old: str, new: str, expected: str) -> None:
    assert rename(name, old, new) == expected


def test_a_rename_makes_a_checkpoint_fit(resnet50: Graph) -> None:
    stored = renamed(resnet50, lambda name: f"encoder.{name}".replace("bn1", "norm1"))
    diagnostics, report = found(resnet50, stored, renames={"encoder": "", "norm1": "bn1"})
    assert diagnostics == []
    assert report.renamed >= len(stored)


def test_a_rename_of_nothing_and_one_onto_others_are_errors(resnet50: Graph) -> None:
    nothing = only(resnet50, shapes(resnet50), renames={"layr1": "layer1"})
    assert nothing.code.id == "E0715"
    assert nothing.helps == ("did you mean `layer1`?",)
    onto = only(resnet50, shapes(resnet50), renames={"bn1": "bn2"})
    assert onto.code.id == "E0715"
    assert "that other tensors have" in onto.message


def test_a_prefix_of_an_unknown_wrapper_is_suggested_as_a_rename(resnet50: Graph) -> None:
    diagnostic = only(resnet50, renamed(resnet50, lambda name: f"encoder.body.{name}"))
    assert diagnostic.code.id == "E0714"
    assert diagnostic.message == f"{len(resnet50.parameters)} tensors of `w.pth` have other names than in the network"
    assert diagnostic.helps[0] == 'rename them: `renames={"encoder.body": ""}`'


def test_renames_of_layers_are_suggested_and_work(resnet50: Graph) -> None:
    words = {"bn1": "norm1", "downsample": "shortcut"}
    stored = renamed(resnet50, lambda name: ".".join(words.get(part, part) for part in name.split(".")))
    diagnostic = only(resnet50, stored)
    help_text = diagnostic.helps[0]
    assert isinstance(help_text, Text)
    assert help_text.parts[1:] == (Option("renames", {"norm1": "bn1", "shortcut": "downsample"}),)
    assert set(spelled(help_text, as_flags).removeprefix("rename them: ").strip("`").split(" ")) == {
        "--rename",
        "norm1=bn1",
        "shortcut=downsample",
    }
    assert found(resnet50, stored, renames={"norm1": "bn1", "shortcut": "downsample"})[0] == []


def test_a_mistyped_label_is_fixed_in_the_specification_rather_than_renamed_in_the_checkpoint() -> None:
    graph = network("cnv1: conv(8, 3x3);  relu\nfc: { avgpool(global); flatten; linear(4) }\noutput y")
    diagnostic = only(graph, renamed(graph, lambda name: name.replace("cnv1", "conv1")))
    assert diagnostic.code.id == "E0714"
    assert diagnostic.helps[:2] == (
        "label it `conv1` in the specification",
        'or rename the checkpoint\'s: `renames={"conv1": "cnv1"}`',
    )
    assert diagnostic.primary is not None
    assert (diagnostic.primary.span.text, diagnostic.primary.text) == ("conv(8, 3x3)", "labelled `cnv1`")


def test_a_prefix_that_only_the_network_has_is_suggested() -> None:
    stored, wanted = {"conv.weight": (1, 2), "conv.bias": (1,)}, {"a.conv.weight": (1, 2), "a.conv.bias": (1,)}
    (renaming,) = suggest_renamings(stored, wanted)
    assert (renaming.old, renaming.new) == ("", "a")


def test_another_network_is_not_explained_by_renames(resnet50: Graph) -> None:
    diagnostic = only(resnet50, shapes(shipped("densenet121")))
    assert diagnostic.code.id == "E0714"
    assert diagnostic.message == "no tensor of `w.pth` has a name that is in the network"
    assert len(diagnostic.notes) == 2


# Misfits, one cause at a time


def test_another_number_of_classes_names_the_parameter_that_is_passed_to_the_layer() -> None:
    text = """
block head(outputs, scale = outputs) { avgpool(global); flatten; fc: linear(outputs) }
model net(width = 10, classes = 10, unused = 10) {
  input image: f32[N, 3, 8, 8]
  conv1: conv(width, 3x3)
  const labels = classes
  head: head(labels)
  output logits
}
"""
    program = load_program(Source("net.res", text), Diagnostics())
    graph, larger = (elaborate(program, Diagnostics(), arguments=given) for given in ({}, {"classes": 1000}))
    assert graph is not None
    assert larger is not None
    assert only(graph, shapes(larger)).helps[0] == 'build it with `set={"classes": 1000}`'


def test_another_number_of_classes_suggests_the_option(resnet50: Graph) -> None:
    diagnostic = only(resnet50, shapes(with_classes("resnet50", 21)))
    assert diagnostic.code.id == "E0713"
    assert diagnostic.message == "`w.pth` has 21 classes, the network 1,000"
    assert diagnostic.helps[0] == 'build it with `set={"classes": 21}`'
    assert diagnostic.primary is not None
    assert diagnostic.primary.span.text == "linear(classes)"
    assert found(with_classes("resnet50", 21), shapes(with_classes("resnet50", 21)))[0] == []


def test_a_new_head_is_a_warning_and_everything_else_stays_an_error(resnet50: Graph) -> None:
    graph = with_classes("resnet50", 5)
    (diagnostic,), report = found(graph, shapes(resnet50), new_head=True)
    assert diagnostic.code.id == "W0713"
    assert report.mismatched == ("fc.weight", "fc.bias")
    codes = [each.code.id for each in found(graph, renamed(resnet50, has("layer4.2")), new_head=True)[0]]
    assert sorted(codes) == ["E0710", "W0713"]


def test_a_checkpoint_without_the_last_stages_names_them(resnet50: Graph) -> None:
    diagnostic = only(resnet50, renamed(resnet50, has("layer4", "fc")))
    assert diagnostic.code.id == "E0710"
    # Three bottlenecks of 15 tensors and a projection of 5.
    assert diagnostic.message == (
        "`w.pth` has no tensors for `layer4.*` (50 tensors) and `fc.*` (2 tensors): the checkpoint ends at `layer3`"
    )


def test_a_stage_that_is_missing_in_the_middle_is_named(resnet50: Graph) -> None:
    diagnostic = only(resnet50, renamed(resnet50, has("layer2")))
    assert diagnostic.message == "`w.pth` has no tensors for `layer2.*` (65 tensors)"


@pytest.mark.parametrize(
    ("network_name", "checkpoint_name", "code", "word", "known"),
    [
        ("resnet101", "resnet50", "E0710", "shallower", "ResNet-50"),
        ("resnet50", "resnet101", "E0711", "deeper", "ResNet-101"),
        ("resnet50", "resnet152", "E0711", "deeper", "ResNet-152"),
    ],
)
def test_the_weights_of_another_depth_are_reported_by_their_blocks(
    network_name: str, checkpoint_name: str, code: str, word: str, known: str
) -> None:
    diagnostic = only(shipped(network_name), shapes(shipped(checkpoint_name)))
    assert diagnostic.code.id == code
    assert f"`w.pth` is for a {word} network: its stages are those of {known}" in diagnostic.message


def test_the_depth_of_densenets_is_reported_too() -> None:
    first, *_ = found(shipped("densenet121"), shapes(shipped("densenet169")))[0]
    # Huang et al. 2017, table 1.
    assert first.notes[:2] == (
        "`features.denseblock3.denselayer*` has 32 blocks in the checkpoint and 24 in the network",
        "`features.denseblock4.denselayer*` has 32 blocks in the checkpoint and 16 in the network",
    )


def test_biases_on_one_side_are_one_cause(resnet50: Graph) -> None:
    ours = only(resnet50, renamed(resnet50, lambda name: "" if name == "fc.bias" else name))
    assert (ours.code.id, ours.helps[0]) == ("E0710", "write `bias = false` for it")
    theirs = only(resnet50, shapes(resnet50) | {"conv1.bias": (64,), "layer1.0.conv1.bias": (64,)})
    assert (theirs.code.id, theirs.helps[0]) == ("E0711", "write `bias = true` for them")


def test_norms_that_were_folded_away_are_one_cause(resnet50: Graph) -> None:
    convolutions = [name for name, shape in shapes(resnet50).items() if len(shape) == 4]
    stored = {name: shapes(resnet50)[name] for name in [*convolutions, "fc.weight", "fc.bias"]}
    stored |= {name.replace("weight", "bias"): (shapes(resnet50)[name][0],) for name in convolutions}
    diagnostic = only(resnet50, stored)
    # 53 convolutions, each with a norm of four tensors.
    assert diagnostic.message == (
        "the batch norms of `w.pth` are folded into its convolutions: 212 tensors of norms are missing, and 53"
        " convolutions have a bias instead"
    )


def test_the_axes_of_tensorflow_are_recognised(resnet50: Graph) -> None:
    stored = {
        name: (*shape[2:], shape[1], shape[0]) if len(shape) == 4 else shape for name, shape in shapes(resnet50).items()
    }
    diagnostic = only(resnet50, stored)
    assert diagnostic.code.id == "E0712"
    # All of them: also the square ones of one point, which would fit by their number of elements.
    assert diagnostic.message == "53 tensors of `w.pth` have the axes in TensorFlow's order, (height, width, in, out)"


def two_linear_layers(hidden: int = 5) -> Graph:
    return network(f"flatten; a: linear({hidden}); b: linear(3); output y", "N, 5, 1, 1")


def test_linear_weights_stored_as_in_out_are_loaded_transposed() -> None:
    graph = two_linear_layers()
    # The shape of the square one does not show its layout; that of the other does.
    stored = {"a.weight": (5, 5), "a.bias": (5,), "b.weight": (5, 3), "b.bias": (3,)}
    values = {key: np.random.default_rng(0).random(shape, np.float32) for key, shape in stored.items()}

    class Filled(Listing):
        def read(self, key: str) -> np.ndarray:
            return values[key]

    diagnostics = Diagnostics()
    matched, report = match(graph, Filled(stored), diagnostics)
    assert not list(diagnostics)
    assert report.transposed == ("a.weight", "b.weight")
    assert "`a.weight` and 1 more transposed" in str(report)
    for name in ("a.weight", "b.weight"):
        np.testing.assert_array_equal(value_of(matched.parameters[name]), values[name].T)


def test_linear_weights_of_both_layouts_are_an_error() -> None:
    graph = network("flatten; a: linear(4); b: linear(3); output y", "N, 5, 1, 1")
    diagnostic = only(graph, {"a.weight": (5, 4), "a.bias": (4,), "b.weight": (3, 4), "b.bias": (3,)})
    assert diagnostic.helps[0] == "convert it: `tensor.transpose(1, 0)`"


def test_square_linear_weights_alone_are_loaded_as_they_are() -> None:
    graph = network("flatten; a: linear(5); output y", "N, 5, 1, 1")
    diagnostics, report = found(graph, {"a.weight": (5, 5), "a.bias": (5,)})
    assert (diagnostics, report.transposed) == ([], ())


# Tensors to ignore


def test_tensors_that_match_a_pattern_are_as_if_the_checkpoint_lacked_them(resnet50: Graph) -> None:
    stored = shapes(resnet50) | {"AuxLogits.fc.weight": (1000, 768), "AuxLogits.fc.bias": (1000,)}
    diagnostics, report = found(resnet50, stored, ignore=["AuxLogits.*"])
    assert diagnostics == []
    assert report.is_complete
    assert report.excluded == ("AuxLogits.fc.weight", "AuxLogits.fc.bias")
    assert "2 tensors ignored by pattern" in str(report)


def test_patterns_match_names_without_the_prefixes_of_wrappers_and_keys(resnet50: Graph) -> None:
    stored = renamed(resnet50, lambda name: f"module.{name}") | {"module.aux.weight": (1,)}
    for pattern in ("aux.*", "module.aux.*", "aux.weigh?"):
        diagnostics, report = found(resnet50, stored, ignore=[pattern])
        assert (diagnostics, report.excluded) == ([], ("module.aux.weight",))


def test_a_tensor_that_is_ignored_and_needed_is_missing(resnet50: Graph) -> None:
    assert only(resnet50, shapes(resnet50), ignore=["fc.*"]).code.id == "E0710"
    assert only(resnet50, shapes(resnet50), ignore=["fc.*"], partial=True).code.id == "W0710"


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        ("layr1.*", "did you mean `layer1.*`?"),
        ("AUX.*", "write `aux.*` for every name that begins with `aux.`"),
        ("fc.wieght", "did you mean `fc.weight`?"),
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error(resnet50: Graph, pattern: str, fix: str) -> None:
    diagnostic = only(resnet50, shapes(resnet50), ignore=[pattern])
    assert (diagnostic.code.id, diagnostic.helps) == ("E0719", (fix,))


@pytest.mark.parametrize(
    ("more", "fix"),
    [
        ({"aux.0.weight": (1, 2), "aux.0.bias": (1,)}, 'or ignore them with `ignore=("aux.*",)`'),
        ({"aux.weight": (1, 2)}, 'or ignore it with `ignore=("aux.*",)`'),
        ({"a.w": (1,), "b.w": (1,)}, 'or ignore them with `ignore=("a.*", "b.*")`'),
        (
            {f"layer1.{block}.se.weight": (1,) for block in range(3)},
            'or ignore them with `ignore=("*.se.*",)`',
        ),
    ],
)
def test_ignoring_is_suggested_and_works(resnet50: Graph, more: Shapes, fix: str) -> None:
    diagnostic = only(resnet50, shapes(resnet50) | more)
    assert fix in diagnostic.helps
    (text,) = (text for text in diagnostic.helps if text == fix)
    flags = shlex.split(spelled(text, as_flags).partition("`")[2].removesuffix("`"))
    assert set(flags[::2]) == {"--ignore"}
    assert found(resnet50, shapes(resnet50) | more, ignore=flags[1::2])[0] == []


def test_ignoring_is_not_suggested_where_the_pattern_matches_a_tensor_in_use(resnet50: Graph) -> None:
    diagnostic = only(resnet50, shapes(resnet50) | {"layer1.0.bn1.extra": (1,)})
    assert diagnostic.message.startswith("1 tensor `*.bn1.*`")
    assert not any("ignore" in text for text in diagnostic.helps)


def test_names_that_an_exporter_made_up_are_noted_where_tensors_are_missing(resnet50: Graph) -> None:
    listing = Listing(renamed(resnet50, has("layer2")))
    listing.unnamed = ("onnx::Conv_497",)
    diagnostics = Diagnostics()
    match(resnet50, listing, diagnostics)
    (diagnostic,) = diagnostics
    assert diagnostic.notes[-1] == "1 tensor more has a name that an exporter made up: `onnx::Conv_497`"


def test_other_widths_and_kernels_are_reported_by_kind(resnet50: Graph) -> None:
    wide = found(resnet50, shapes(shipped("wide_resnet50_2")))[0]
    assert [diagnostic.code.id for diagnostic in wide] == ["E0712", "E0712"]
    assert (
        "`layer1.0.conv1.weight` is [128, 64, 1, 1] in the checkpoint and [64, 64, 1, 1] in the network"
        in wide[0].notes
    )
    kernel = only(resnet50, shapes(resnet50) | {"conv1.weight": (64, 3, 3, 3)})
    assert kernel.message == "1 tensor of `w.pth` has kernels of a different size than in the network"


@pytest.mark.parametrize(
    ("ours", "theirs", "code"), [("seresnet50", "resnet50", "E0710"), ("resnet50", "seresnet50", "E0711")]
)
def test_a_part_that_every_block_of_one_side_has_is_one_cause(ours: str, theirs: str, code: str) -> None:
    diagnostic = only(shipped(ours), shapes(shipped(theirs)))
    assert diagnostic.code.id == code
    # Two layers with bias in each of 16 blocks.
    assert diagnostic.message.startswith("64 tensors `*.se.*` that")


def test_a_pattern_names_a_part_and_not_a_number() -> None:
    graph = network("features: { 0: { conv(4, 3x3) } }\n output y")
    more = {"features.0.1.weight": (4,), "features.0.1.bias": (4,)}
    diagnostic = only(graph, shapes(graph) | more)
    assert diagnostic.message == "2 tensors `features.*.1.*` that `w.pth` has and the network lacks"


def test_what_helps_with_every_error_is_said_once(resnet50: Graph) -> None:
    more = {"layer1.0.gate.weight": (1, 2), "layer1.0.extra.weight": (1, 3)}
    errors, _ = found(resnet50, shapes(resnet50) | more)
    assert [error.helps for error in errors] == [
        (
            "build the network that the checkpoint is for",
            'or ignore them with `ignore=("*.gate.*",)`',
            "or load what matches, and keep initial values for the rest, with `partial=True`",
        ),
        ('or ignore them with `ignore=("*.extra.*",)`',),
    ]


def test_parts_that_only_the_checkpoint_has_are_named(resnet50: Graph) -> None:
    diagnostic = only(resnet50, shapes(resnet50) | {"aux.0.weight": (1, 2), "aux.0.bias": (1,)})
    assert diagnostic.code.id == "E0711"
    assert diagnostic.message == "`w.pth` has `aux.*` (2 tensors), which the network lacks"


def test_quantised_weights_are_refused(resnet50: Graph) -> None:
    diagnostics = Diagnostics()
    match(resnet50, Listing(shapes(resnet50), dtype="int8"), diagnostics)
    (diagnostic,) = diagnostics
    assert diagnostic.code.id == "E0706"


# Loading a part


def misfits(graph: Graph) -> Iterable[Shapes]:
    yield shapes(with_classes("resnet50", 21))
    yield renamed(graph, has("layer4"))
    yield shapes(shipped("resnet101"))
    yield shapes(shipped("wide_resnet50_2"))
    yield renamed(graph, lambda name: f"encoder.{name}")
    yield shapes(shipped("densenet121"))


def test_a_partial_load_warns_where_a_whole_one_stops(resnet50: Graph) -> None:
    for stored in misfits(resnet50):
        errors, _ = found(resnet50, stored)
        warnings, _ = found(resnet50, stored, partial=True)
        assert [error.code.id for error in errors] == [f"E{warning.code.id[1:]}" for warning in warnings]
        assert [error.message for error in errors] == [warning.message for warning in warnings]
        # Said once, with the first error. Where nothing fits at all, there is no part to load.
        helps = [text for error in errors for text in error.helps if "`partial=True`" in text]
        assert helps == [text for text in errors[0].helps[-1:] if "no tensor of" not in errors[0].message]
        assert not any("`partial=True`" in text for warning in warnings for text in warning.helps)


def test_what_a_partial_load_does_not_find_keeps_its_initial_value(resnet50: Graph) -> None:
    stored = shapes(with_classes("resnet50", 21))
    matched, report = match(resnet50, Listing(stored), Diagnostics(), partial=True)
    assert report.mismatched == ("fc.weight", "fc.bias")
    assert matched.parameters["fc.weight"].source == VarianceScaling(2048, 1000)
    assert isinstance(matched.parameters["conv1.weight"].source, Stored)
    assert len(report.loaded) == len(resnet50.parameters) - 2
