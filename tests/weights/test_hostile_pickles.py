"""Malicious files: no code in them is executed, and they take neither memory nor time."""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats import inert_pickle
from resdsl.weights.formats.open import open_checkpoint

DATA = Path(__file__).parent / "data"
MEGABYTE = 1 << 20

Archive = Callable[..., Path]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """``archive(pickle, storages)``: a file as PyTorch's zip container is, with that pickle."""

    def make(content: bytes, storages: dict[str, bytes] | None = None) -> Path:
        path = tmp_path / "weights.pth"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", content)
            for key, data in (storages or {}).items():
                file.writestr(f"archive/data/{key}", data)
        return path

    return make


def refusal(path: Path) -> CheckpointError:
    """How opening and reading everything ends; in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as caught, open_checkpoint(path) as checkpoint:
            for key in checkpoint.tensors:
                checkpoint.read(key)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MEGABYTE + 2 * path.stat().st_size
    assert caught.value.diagnostic.helps
    assert path.name in caught.value.diagnostic.message
    return caught.value


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.how = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.how


def touch(target: Path) -> list[tuple[str, object]]:
    """Objects that would each make the file ``target`` if anything of them were run."""
    command = f"touch {target}"
    code = f"open({str(target)!r}, 'w').close()"
    return [
        ("system", Call(os.system, command)),
        ("eval", Call(eval, code)),
        ("exec", Call(exec, code)),
        ("open", Call(open, str(target), "w")),
        ("getattr", Call(getattr, Call(__import__, "os"), "system")),
        ("import", Call(__import__, "os")),
        ("nested", {"state_dict": {"weight": [Call(os.system, command)]}}),
        ("as a key", {("tuple", Call(os.system, command)): 1}),
    ]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("which", range(len(touch(Path("x")))))
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path: Path, archive: Archive, which: int, protocol: int) -> None:
    target = tmp_path / "was-run"
    _, thing = touch(target)[which]
    error = refusal(archive(pickle.dumps({"weight": thing}, protocol)))
    assert error.diagnostic.code.id == "E0705"
    assert "no code in the file was executed" in error.diagnostic.notes
    assert not target.exists()


def test_the_legacy_container_is_read_with_the_same_care(tmp_path: Path) -> None:
    target, path = tmp_path / "was-run", tmp_path / "weights.pth"
    parts = (0x1950A86A20F9469CFC6C, 1001, {}, {"weight": Call(os.system, f"touch {target}")}, [])
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    assert "`posix.system`" in str(refusal(path))
    # The first pickle is where a file that only looks like torch's would strike.
    path.write_bytes(pickle.dumps(Call(os.system, f"touch {target}"), 2))
    assert "`posix.system`" in str(refusal(path))
    assert not target.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "posix system",
        "subprocess Popen",
        "builtins eval",
        "builtins getattr",
        "builtins __import__",
        "torch.hub load",
        "torch load",
        "torch.storage _load_from_bytes",
        "torch._utils _import_dotted_name",
        "numpy load",
        "numpy.f2py.crackfortran getlincoef",
        "collections OrderedDict.fromkeys",
        "torch Size.__class__",
        "_codecs decode",
        "argparse FileType",
        "pathlib Path",
    ],
)
def test_a_global_that_weights_do_not_need_is_refused_by_name(archive: Archive, name: str) -> None:
    error = refusal(archive(b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n."))
    assert error.diagnostic.code.id == "E0705"
    assert f"`{name.replace(' ', '.')}`" in str(error)


@pytest.mark.parametrize(
    "operation",
    [
        b"(S'touch x'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'touch x'\no.",  # OBJ
        b"\x82\x01.",  # EXT1
        b"\x83\x01\x00.",  # EXT2
        b"\x84\x01\x00\x00\x00.",  # EXT4
        b"P0\n.",  # PERSID
        b"\x97.",  # NEXT_BUFFER
        b"\x80\x04\x8c\x01a\x8c\x01b\x93.",  # STACK_GLOBAL
        b"\x80\x04]]}\x92.",  # NEWOBJ_EX
        b"\x96\x04\x00\x00\x00\x00\x00\x00\x00abcd.",  # BYTEARRAY8
    ],
)
def test_operations_that_torch_never_writes_are_refused(archive: Archive, operation: bytes) -> None:
    assert refusal(archive(operation)).diagnostic.code.id == "E0705"


@pytest.mark.parametrize(
    "invalid",
    [
        b"",
        b".",
        b"N",
        b"NN.",
        b"R.",
        b"NNR.",
        b"]NR.",
        b"ccollections\nOrderedDict\nNR.",
        b"ccollections\nOrderedDict\nK\x01\x85R.",
        b"(.",
        b"t.",
        b"h\x07.",
        b"q\x01.",
        b"a.",
        b"NNa.",
        b"}Nu.",
        b"}(Nu.",
        b"2.",
        b"0.",
        b"K\x01Q.",
        b"(X\x07\x00\x00\x00storageNNNNtQ.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR.",
        b"ctorch._utils\n_rebuild_parameter\n(NNNtR.",
        b"ctorch._utils\n_rebuild_parameter\n)R.",
        b"ctorch\nSize\n)R.",
        b"ctorch\nSize\nN\x85R.",
        b"cno_blank\n.",
        b"\xff.",
        b"I12x\n.",
        b"\x8a\xff.",
        b"X\xff\xff\xff\xff.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\xff.",
        b"L" + b"9" * 10_000 + b"L\n.",
        b"V" + b"\\ud800" + b"\n.",
        b"\x80\x09.",
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo of 2^31 places, to an implementation with an array
    ],
)
def test_an_invalid_pickle_is_a_damaged_file(archive: Archive, invalid: bytes) -> None:
    assert refusal(archive(invalid)).diagnostic.code.id in ("E0702", "E0704")


def tensor(
    shape: tuple[int, ...], strides: tuple[int, ...], *, offset: int = 0, count: int = 4, kind: str = "FloatStorage"
) -> bytes:
    """The pickle of ``{"weight": a tensor}`` in storage ``0``."""

    def number(value: int) -> bytes:
        return pickle.LONG1 + bytes([16]) + value.to_bytes(16, "little", signed=True)

    def several(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = (
        b"(X\x07\x00\x00\x00storagectorch\n"
        + kind.encode()
        + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + number(count)
    )
    arguments = b"(" + storage + b"tQ" + number(offset) + several(shape) + several(strides) + b"\x89Nt"
    return b"\x80\x02}X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


STORAGE = {"0": struct.pack("<4f", 1, 2, 3, 4)}


def test_the_tensors_of_these_tests_are_read_where_they_are_honest(archive: Archive) -> None:
    with open_checkpoint(archive(tensor((2, 2), (1, 2)), STORAGE)) as checkpoint:
        assert checkpoint.read("weight").tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (tensor((5,), (1,)), "E0704"),
        (tensor((5,), (1,), count=5), "E0704"),
        (tensor((4,), (1,), offset=1), "E0704"),
        (tensor((1,), (1,), offset=-1), "E0704"),
        (tensor((1,), (1,), offset=2**62), "E0704"),
        (tensor((2,), (-1,), offset=3), "E0704"),
        (tensor((2,), (2**62,)), "E0704"),
        (tensor((2, 2), (1,)), "E0704"),
        (tensor((), (1,)), "E0704"),
        (tensor((-1,), (1,)), "E0704"),
        (tensor((1,) * 33, (1,) * 33), "E0704"),
        (tensor((2,), (1,), count=-1), "E0704"),
        (tensor((2**40,), (0,)), "E0708"),
        (tensor((2**32,), (0,)), "E0708"),
        (tensor((2**62, 2**62), (0, 0)), "E0708"),
        (tensor((2**62, 0), (0, 0)), "E0708"),
        (tensor((2**62,), (1,), count=2**62), "E0708"),
        (tensor((2**30,), (1,), count=2**30), "E0704"),
        (tensor((4,), (1,), kind="DoubleStorage"), "E0704"),
        (tensor((1,), (1,), kind="ComplexFloatStorage"), "E0706"),
        (tensor((1,), (1,), kind="QInt8Storage"), "E0705"),
    ],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(archive: Archive, content: bytes, code: str) -> None:
    assert refusal(archive(content, STORAGE)).diagnostic.code.id == code


def test_a_stride_that_moves_nothing_may_be_anything(archive: Archive) -> None:
    with open_checkpoint(archive(tensor((1, 2), (2**62, 1)), STORAGE)) as checkpoint:
        assert checkpoint.read("weight").tolist() == [[1, 2]]


def test_a_stride_of_an_empty_tensor_may_be_anything(archive: Archive) -> None:
    with open_checkpoint(archive(tensor((0, 2), (2**62, 2**62)), STORAGE)) as checkpoint:
        assert checkpoint.read("weight").shape == (0, 2)


def test_a_storage_that_is_not_in_the_file_is_reported(archive: Archive) -> None:
    assert "storage `0`, and the file lacks it" in str(refusal(archive(tensor((2,), (1,)))))


def doubling(opcodes: bytes, times: int = 60) -> bytes:
    """Each value holds the one before it twice: 2^60 of them for a reader that visits each."""
    return b"\x80\x02N" + opcodes * times + b"."


@pytest.mark.parametrize(
    "bomb",
    [
        doubling(b"2\x86"),  # tuples of tuples
        b"\x80\x02}N" + b"2\x86" * 60 + b"Ns.",  # as a key, which would be hashed
        doubling(b"2\x86")[:-1] + b"\x85\x85" + b".",
        b"\x80\x02]q\x00h\x00a.",  # a list in itself
        b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",  # a dictionary in itself
        b"\x80\x02}q\x00X\x0a\x00\x00\x00state_dicth\x00s.",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",  # a list in a list in a list
        b"\x80\x02" + b"(" * 500_000 + b"t" * 500_000 + b".",
        b"\x80\x02N" + b"\x85" * 500_000 + b".",
    ],
)
def test_structures_that_grow_in_the_reader_do_not_in_this_one(archive: Archive, bomb: bytes) -> None:
    assert refusal_of_nothing(archive(bomb)) == "E0702"


def refusal_of_nothing(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    return caught.value.diagnostic.code.id


def test_a_pickle_with_too_many_operations_is_refused(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inert_pickle, "MAX_OPCODES", 1000)
    assert refusal(archive(b"\x80\x02" + b"N0" * 600 + b"N.")).diagnostic.code.id == "E0708"


def test_a_pickle_that_is_too_long_is_refused(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inert_pickle, "MAX_BYTES", 1000)
    assert refusal(archive(pickle.dumps("x" * 2000))).diagnostic.code.id == "E0708"


def test_members_are_not_decompressed(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"N" * (100 * MEGABYTE))
    error = refusal(path)
    assert error.diagnostic.code.id == "E0703"
    assert "compressed" in str(error)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({}))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("archive/data.pkl", pickle.dumps({}))
    assert "the same name" in str(refusal(path))


@pytest.mark.parametrize("names", [("a/data.pkl", "b/data.pkl"), ("data.pkl",), ("a/b/data.pkl",)])
def test_an_archive_has_one_pickle_in_its_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "odd.pth"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, pickle.dumps({}))
    assert refusal(path).diagnostic.code.id == "E0704"


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "training.pth", "views_legacy.pth", "bfloat16.pth"])
@pytest.mark.parametrize("twentieth", range(1, 20))
def test_a_file_that_was_cut_off_is_reported_at_every_twentieth(tmp_path: Path, name: str, twentieth: int) -> None:
    data = (DATA / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * twentieth // 20])
    assert refusal(path).diagnostic.code.id in ("E0702", "E0704")


def test_a_legacy_file_that_lists_an_unknown_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    parts = (0x1950A86A20F9469CFC6C, 1001, {}, {}, ["7"])
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    assert "a storage that no tensor uses" in str(refusal(path))


@pytest.mark.parametrize("count", [-1, 2**62, 2**63 - 1, 5])
def test_a_legacy_storage_that_claims_more_than_the_file_is_refused(tmp_path: Path, count: int) -> None:
    path = tmp_path / "weights.pth"
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
    path.write_bytes(
        head + tensor((4,), (1,)) + pickle.dumps(["0"], 2) + struct.pack("<q", count) + struct.pack("<4f", 1, 2, 3, 4)
    )
    assert refusal(path).diagnostic.code.id == "E0704"


def test_another_protocol_or_another_pickle_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1002, 2))
    assert refusal(path).diagnostic.code.id == "E0704"
    path.write_bytes(pickle.dumps({"weight": [1.0, 2.0]}))
    error = refusal(path)
    assert error.diagnostic.code.id == "E0702"
    assert "a pickle that was not written by PyTorch" in str(error)
