"""The built-in networks."""

from pathlib import Path

import pytest

import resdsl

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def listed() -> dict[str, resdsl.BuiltinSpec]:
    return {one.name: one for one in resdsl.specs()}


def test_every_specification_is_listed(listed: dict[str, resdsl.BuiltinSpec]) -> None:
    assert list(listed) == sorted(path.stem for path in (ROOT / "specs").glob("*.res"))


@pytest.mark.parametrize(
    ("name", "paper", "arxiv"),
    [
        ("resnet50", "He et al. 2015", "1512.03385"),
        # Its header says what it is before whose it is.
        ("resnet50_fpn", "Lin et al. 2017", "1612.03144"),
        # The title stands between the authors and the number.
        ("resnet50d", "He et al. 2018", "1812.01187"),
        ("vgg19", "Simonyan & Zisserman 2014", "1409.1556"),
        # The citation is broken over two lines of comment or follows a sentence.
        ("ensemble_resnet", "He et al. 2015", "1512.03385"),
        ("fcn_resnet50", "Long et al. 2015", "1411.4038"),
    ],
)
def test_the_paper_is_the_first_that_the_header_names(
    listed: dict[str, resdsl.BuiltinSpec], name: str, paper: str, arxiv: str
) -> None:
    assert (listed[name].paper, listed[name].arxiv) == (paper, arxiv)


def test_sizes_are_those_of_the_papers(listed: dict[str, resdsl.BuiltinSpec]) -> None:
    # torchvision 0.29.1: ResNet50_Weights (25,557,032 parameters, 4.09 G); Szegedy et al. 2016: input of 299 x 299.
    assert listed["resnet50"].parameters == 25_557_032
    assert isinstance(listed["resnet50"].macs, int)
    assert round(listed["resnet50"].macs / 1e9, 2) == 4.09
    assert listed["inception_v4"].input[1:] == (3, 299, 299)


def test_macs_of_an_open_size_are_an_expression(listed: dict[str, resdsl.BuiltinSpec]) -> None:
    assert [str(dim) for dim in listed["resnet50_conv"].input] == ["N", "3", "H", "W"]
    assert "H" in str(listed["resnet50_conv"].macs)
