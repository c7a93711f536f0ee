"""Files that are not specifications are reported like any other error."""

from pathlib import Path

import pytest

from resdsl.diagnostics import CompileError, Diagnostic
from resdsl.specification.text import decode, read_source


def diagnostic_of(path: Path | str, **options: int) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        read_source(path, **options)
    (found,) = caught.value.diagnostics
    return found


def test_the_text_is_read_with_its_name_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.res").write_bytes("# gr\u00fc\u00dfe\r\n".encode())
    source = read_source("net.res")
    assert (source.name, source.text, source.path) == ("net.res", "# gr\u00fc\u00dfe\r\n", Path("net.res"))


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_bytes(b"\xef\xbb\xbfmodel")
    assert read_source(tmp_path / "net.res").text == "model"


def test_a_missing_file_is_guessed_among_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "resnet50.res").touch()
    (tmp_path / "unrelated.res").touch()
    found = diagnostic_of(tmp_path / "resnt50.res")
    assert found.code.id == "E0801"
    assert found.helps == (f"did you mean `{tmp_path / 'resnet50.res'}`?",)


def test_a_forgotten_suffix_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "mine.res").touch()
    assert diagnostic_of(tmp_path / "mine").helps == (f"did you mean `{tmp_path / 'mine.res'}`?",)


def test_the_nearer_name_wins_whether_it_ships_or_lies_beside(tmp_path: Path) -> None:
    (tmp_path / "resnet19.res").touch()
    assert diagnostic_of(tmp_path / "resnet50x").helps == ("did you mean `resnet50`, a built-in network?",)
    assert diagnostic_of(tmp_path / "resnet19x").helps == (f"did you mean `{tmp_path / 'resnet19.res'}`?",)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    found = diagnostic_of(tmp_path / "nowhere" / "net.res")
    assert found.code.id == "E0801"
    assert f"no folder `{tmp_path / 'nowhere'}`" in found.message


def test_a_text_where_a_path_belongs_is_recognised() -> None:
    assert "resdsl.loads" in diagnostic_of("model m() {\n}").helps[0]


def test_a_folder_is_answered_with_a_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "b.res").touch()
    (tmp_path / "a.res").touch()
    found = diagnostic_of(tmp_path)
    assert found.code.id == "E0802"
    assert str(tmp_path / "a.res") in found.helps[0]


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:  # root may read everything, so that the refusal is played
        raise PermissionError(13, "Permission denied")

    (tmp_path / "net.res").write_text("model")
    monkeypatch.setattr(Path, "open", refuse)
    found = diagnostic_of(tmp_path / "net.res")
    assert found.code.id == "E0803"
    assert "chmod u+r" in found.helps[0]


@pytest.mark.parametrize("name", ["x\0.res", "x" * 5000])
def test_a_name_that_no_file_can_have(name: str) -> None:
    found = diagnostic_of(name)
    assert found.code.id == "E0803"
    assert len(found.message) < 300


@pytest.mark.parametrize("data", [b"", b" \n\t\n"])
def test_an_empty_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "net.res").write_bytes(data)
    assert diagnostic_of(tmp_path / "net.res").code.id == "E0805"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x00\x01\x02\xff", "binary data"),
        (bytes(range(1, 256)), "binary data"),
    ],
)
def test_a_binary_file_is_called_what_it_is(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "net.res").write_bytes(data)
    found = diagnostic_of(tmp_path / "net.res")
    assert found.code.id == "E0804"
    assert kind in found.message


def test_a_compiled_model_leads_to_predict(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x0a\x12\x00resdsl")
    assert "resdsl predict" in diagnostic_of(tmp_path / "model.onnx").helps[0]


def test_a_text_in_latin_1_is_shown_the_place() -> None:
    with pytest.raises(CompileError) as caught:
        decode("model m() {\n  # caf\u00e9\n}".encode("latin-1"), name="net.res")
    (found,) = caught.value.diagnostics
    assert found.code.id == "E0804"
    assert found.primary is not None
    assert found.primary.span.position == (2, 8)
    assert "0xe9" in found.primary.text


def test_a_text_in_utf_16_is_called_that() -> None:
    with pytest.raises(CompileError, match="UTF-16"):
        decode("model".encode("utf-16"), name="net.res")


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text("# 123456789\n")
    assert diagnostic_of(tmp_path / "net.res", largest=11).code.id == "E0901"
    assert read_source(tmp_path / "net.res", largest=12)


def test_an_empty_name_is_not_taken_for_the_current_folder() -> None:
    with pytest.raises(CompileError, match="the name of the file is empty"):
        read_source("")
