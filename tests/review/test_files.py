"""A review of two ONNX files says what that of their texts says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path

import onnx
import pytest

import resdsl
from resdsl import protobuf
from resdsl.ir.operator import OPSET
from resdsl.onnx.model import encode_graph, encode_model, model_metadata
from resdsl.passes.drop_identity import drop_identity
from resdsl.review.changes import Change, Changed, Interface, Renamed
from resdsl.review.review import Review, compare
from resdsl.review.sentences import describe_change, tally
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import compared
from resdsl.tools.view.view import view_data

SPECS = Path(resdsl.__file__).parents[1] / "specs"

Named = str | tuple[str, dict[str, object]]

PAIRS: dict[str, tuple[Named, Named]] = {
    "v1": ("resnet50", "resnet50_v1"),
    "other blocks": ("resnet50", "resnet50d"),
    "more blocks": ("resnet18", "resnet34"),
    "many more blocks": ("resnet50", "resnet101"),
    "basic to bottleneck": ("resnet18", "resnet50"),
    "gates": ("resnet50", "seresnet50"),
    "twice as wide": ("resnet50", "wide_resnet50_2"),
    "groups": ("resnet50", "resnext50_32x4d"),
    "shortcuts": ("plain34", "resnet34"),
    "before activation": ("resnet_cifar", "resnetv2_cifar"),
    "dilation": ("fcn_resnet50", "resnet50"),
    "an output more": ("resnet50", "resnet50_conv"),
    "dense": ("densenet121", "densenet169"),
    "dense and small": ("densenet121", "densenet_cifar"),
    "no relation": ("vgg19", "plain34"),
    "fewer classes": ("resnet50", ("resnet50", {"classes": 10})),
    "depth as an argument": ("resnet_cifar", ("resnet_cifar", {"n": 5})),
}
"""Networks and their versions. Whole reviews of the files differ from those of the texts in names and arguments of
calls alone; where a text gives each stage an argument, the files also say in one change what is as many times wider.
"""


def text(named: Named) -> Specification:
    name, arguments = (named, {}) if isinstance(named, str) else named
    return resdsl.load(SPECS / f"{name}.res", set=arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def compiled(named: Named, folder: Path) -> Specification:
    """The network as the file that resdsl compiles, saved without the numbers of its weights."""
    path = folder / f"{named if isinstance(named, str) else '-'.join(map(str, (named[0], *named[1].values())))}.onnx"
    if not path.exists():
        graph = text(named).graph
        tensors = (
            onnx.TensorProto(name=one.name, dims=one.shape, data_type=onnx.TensorProto.FLOAT)
            for one in graph.parameters.values()
        )
        fields = (protobuf.message(protobuf.GRAPH_INITIALIZER, one.SerializeToString()) for one in tensors)
        whole = protobuf.message(protobuf.MODEL_GRAPH, encode_graph(graph) + b"".join(fields))
        path.write_bytes(encode_model(model_metadata(graph), OPSET) + whole)
    return resdsl.load(path)


def differences(review: Review) -> Counter[Hashable]:
    """Every place that differs, without the block that it is listed under."""
    return Counter(fact for change in review.changes for fact in _differences(change))


def _differences(change: Change) -> Iterator[Hashable]:
    if isinstance(change, Changed) and change.details:
        for detail in change.details:
            yield from _differences(detail)
    elif isinstance(change, Renamed):
        yield from (("renamed", *pair) for pair in change.tensors.items())
    elif isinstance(change, Interface):
        yield "interface", change.what
    else:
        # Layers without tensors have no names of their own in a file.
        yield from ((change.kind, place.before, place.after) for place in change.places)


def as_written(old: Named, new: Named) -> Review:
    """The review of the texts without operators that no file has."""
    return compare(*(drop_identity(text(one).graph, only=("identity",)) for one in (old, new)))


@pytest.mark.parametrize("pair", PAIRS)
def test_files_differ_as_their_texts_do(pair: str, folder: Path) -> None:
    old, new = PAIRS[pair]
    written = as_written(old, new)
    assert not written.is_empty
    files = compiled(old, folder), compiled(new, folder)
    for given in (files, (text(old), files[1])):
        review = resdsl.diff(*given)
        assert not review.forms
        assert differences(review) == differences(written)
        assert len(review.changes) == len(written.changes)
        assert tally(review.changes) == tally(written.changes)
        assert review.delta == written.delta
        for what in ("fit", "kept", "missing", "unexpected", "reshaped", "renames"):
            assert getattr(review.checkpoint, what) == getattr(written.checkpoint, what), what


HEADLINES = {
    "v1": ["bottleneck: stride 1 -> 2, conv2_stride 2 -> 1"],
    "basic to bottleneck": ["basic -> bottleneck"],
    "many more blocks": ["layer3: 6 -> 23 x bottleneck(256)"],
    "twice as wide": ["bottleneck: inner 64, 128, 256, 512 -> 128, 256, 512, 1024"],
    "shortcuts": ["basic: skip none -> projection"],
}
"""Names of blocks are in the files; arguments are found."""


@pytest.mark.parametrize("pair", HEADLINES)
def test_changed_blocks_are_called_by_their_names(pair: str, folder: Path) -> None:
    old, new = (compiled(one, folder) for one in PAIRS[pair])
    headlines = [describe_change(change).headline for change in resdsl.diff(old, new).changes]
    assert headlines[: len(HEADLINES[pair])] == HEADLINES[pair]


@pytest.mark.parametrize("pair", ["v1", "basic to bottleneck", "gates", "twice as wide", "shortcuts"])
def test_blocks_without_names_are_found(pair: str, folder: Path) -> None:
    """Files of exporters that state no classes: there are as many changes, of the same places."""
    files = []
    for one in PAIRS[pair]:
        compiled(one, folder)
        model = onnx.load(folder / f"{one}.onnx")
        for node in model.graph.node:
            del node.metadata_props[:]
        files.append(folder / f"{one}-unnamed.onnx")
        onnx.save(model, files[-1])
    review, written = resdsl.diff(*files), as_written(*PAIRS[pair])
    kinds = [(change.kind, [(place.old, place.new) for place in change.places]) for change in written.changes]
    assert [(change.kind, [(place.old, place.new) for place in change.places]) for change in review.changes] == kinds


def test_pictures_and_pages_show_what_the_review_says(folder: Path) -> None:
    """Norms that are folded in one file are no change, and are stated."""
    old, new = folder / "plain.onnx", folder / "folded.onnx"
    resdsl.compile("resnet_cifar", old)
    resdsl.compile("resnet_cifar", new, optimize=1)
    review = resdsl.diff(old, new)
    assert review.is_empty and len(review.forms) == 1
    shown = compared(old, new).svg()
    assert "the same network, in another form" in shown and review.forms[0] in shown
    assert " changed (" not in shown and " removed (" not in shown
    data = view_data(resdsl.load(old), resdsl.load(new))
    assert data["comparison"]["forms"] == review.forms
    assert data["comparison"]["marks"] == [[], []]
    # Each layer of one network has its partner in the other.
    assert sum(count for _, _, count in data["comparison"]["pairs"]) == len(review.graphs[0].nodes)
    assert len(review.graphs[0].nodes) == len(review.graphs[1].nodes) < len(resdsl.load(old).graph.nodes)
