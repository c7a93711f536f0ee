"""``import resdsl`` as a program uses it."""

from pathlib import Path

import pytest

import resdsl

TWO = """\
model first() {
  input x: f32[N, 3, 8, 8]
  conv1: conv(4, 3x3)
  output y
}

model second(width = 2) {
  input x: f32[N, 3, 8, 8]
  conv1: conv(width, 1x1)
  output y
}
"""


@pytest.mark.parametrize("name", resdsl.__all__)
def test_every_public_name_is_there_and_described(name: str) -> None:
    value = getattr(resdsl, name)
    assert value.__doc__
    assert name in dir(resdsl)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="compil"):
        _ = resdsl.compil  # type: ignore[attr-defined]


def test_results_are_short_where_a_prompt_shows_them(tmp_path: Path) -> None:
    specification = resdsl.load("resnet18")
    assert repr(specification) == "<Specification resnet18.res>"
    assert len(repr(resdsl.draw(specification))) < 100
    compiled = repr(resdsl.compile(specification, tmp_path / "net.onnx"))
    # torchvision 0.29.1: 11,689,512 parameters.
    assert "parameters=11689512" in compiled and len(compiled) < 300 + len(str(tmp_path))


def test_a_page_is_made_of_names_too() -> None:
    old, new = resdsl.load("plain18"), resdsl.load("resnet18")
    assert resdsl.view("resnet18") == resdsl.view(new)
    assert resdsl.view("plain18", "resnet18") == resdsl.view(old, new)


def test_a_model_is_chosen_by_name() -> None:
    assert resdsl.loads(TWO).models == ("first", "second")
    # 4 kernels of 3 x 3 x 3; 5 kernels of 3 x 1 x 1.
    assert resdsl.loads(TWO, model="first").graph.parameter_count == 108
    assert resdsl.loads(TWO, model="second", set={"width": 5}).graph.parameter_count == 15


def test_values_are_python_values_or_texts_of_the_language() -> None:
    assert resdsl.loads(TWO, model="second", set={"width": "2 * 4"}).graph.parameter_count == 24


def test_a_shipped_network_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resdsl.load("resnet18").graph.name == "resnet18"
    # A file of that name comes first.
    Path("resnet18").write_text(TWO)
    assert resdsl.load("resnet18").models == ("first", "second")


def test_check_finds_what_is_wrong_in_every_model() -> None:
    found = resdsl.loads(TWO.replace("conv(", "cnov(")).check()
    assert [diagnostic.code.id for diagnostic in found.errors] == ["E0202", "E0202"]


def test_a_stage_is_done_once() -> None:
    specification = resdsl.loads(TWO, model="first")
    assert specification.graph is specification.graph
    assert specification.module is specification.module


def test_the_tree_is_there_although_the_graph_is_not() -> None:
    specification = resdsl.loads(TWO.replace("conv(", "cnov("))
    assert list(specification.module.definitions) == ["first", "second"]
    with pytest.raises(resdsl.CompileError):
        _ = specification.graph


def test_a_text_is_formatted_without_its_files() -> None:
    text = resdsl.loads('use "absent.res" (a)\nmodel m(){\ninput x:f32[N,3,8,8]\na\noutput y}\n').format()
    assert 'use "absent.res" (a)\n' in text
    with pytest.raises(resdsl.CompileError):
        resdsl.loads("model m(").format()


def test_labels_replace_those_of_the_text(tmp_path: Path) -> None:
    text = TWO.partition("model second")[0].replace("output y", "avgpool(global);  flatten\n  output y")
    resdsl.compile(resdsl.loads(text), tmp_path / "net.onnx", labels=["a", "b", "c", "d"])
    session = resdsl.open_session(tmp_path / "net.onnx", device="cpu")
    assert session.metadata["resdsl.labels"] == '["a", "b", "c", "d"]'
    with pytest.raises(ValueError, match="3 labels, and 4 classes"):
        resdsl.compile(resdsl.loads(text), tmp_path / "net.onnx", labels=["a", "b", "c"])
