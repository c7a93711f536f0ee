"""safetensors, NumPy's archives, ONNX, and telling them apart; against the libraries that define them."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx import numpy_helper

from resdsl.weights.checkpoint import Checkpoint, CheckpointError
from resdsl.weights.formats.open import open_checkpoint

WEIGHTS = {
    "conv.weight": np.linspace(-2, 2, 24, dtype=np.float32).reshape(4, 6),
    "conv.bias": np.array([1.5, -0.0, np.inf, 1e-40], np.float32),
    "scalar": np.array(3.25, np.float32),
    "none": np.empty((0, 3), np.float32),
}
# 1.0, -2.0, the largest finite and a subnormal number of bfloat16, by their bits (IEEE 754 binary32, upper half).
BFLOAT16_BITS = np.array([0x3F80, 0xC000, 0x7F7F, 0x0001], np.uint16)
BFLOAT16_VALUES = [1.0, -2.0, (2 - 2**-7) * 2.0**127, 2.0**-133]


def tensors(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    return {key: checkpoint.read(key) for key in checkpoint.tensors}


def assert_read(path: Path, expected: dict[str, np.ndarray]) -> None:
    with open_checkpoint(path) as checkpoint:
        found = tensors(checkpoint)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, strict=True, err_msg=key)
            assert checkpoint.tensors[key].shape == value.shape
            assert_in_pieces(checkpoint, key, found[key])


def assert_in_pieces(checkpoint: Checkpoint, key: str, whole: np.ndarray) -> None:
    for count in (whole.size // 24 + 1, whole.size // 5 + 1, max(1, whole.size)):
        pieces = [piece.copy() for piece in checkpoint.pieces(key, count)]
        assert [piece.shape for piece in pieces[:-1]] == [(count,)] * (len(pieces) - 1)
        together = np.concatenate([np.empty(0, whole.dtype), *pieces])
        np.testing.assert_array_equal(together, whole.reshape(-1), strict=True, err_msg=key)
        windows = checkpoint.windows(key, 4 * count)
        if windows is not None:
            assert b"".join(bytes(window) for window in windows) == whole.astype("<f4").tobytes()


def refused(path: Path) -> tuple[str, str]:
    """The code and the message of how opening and reading everything ends."""
    with pytest.raises(CheckpointError) as caught, open_checkpoint(path) as checkpoint:
        tensors(checkpoint)
    assert caught.value.diagnostic.helps
    return caught.value.diagnostic.code.id, caught.value.diagnostic.message


# safetensors


def safetensors_file(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_safetensors_of_the_library_are_read_with_their_metadata(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file(WEIGHTS, path, metadata={"source": "a test"})
    assert_read(path, WEIGHTS)
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {"source": "a test"}
        assert checkpoint.name == "w.safetensors"


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_become_float32(tmp_path: Path, dtype: str) -> None:
    values = {"a": np.array([0.1, 1e-7, 6e4], dtype)}
    safetensors.numpy.save_file(values, tmp_path / "w.safetensors")
    assert_read(tmp_path / "w.safetensors", {"a": values["a"].astype(np.float32)})


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    header = {"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    path = safetensors_file(tmp_path / "w.safetensors", header, BFLOAT16_BITS.tobytes())
    assert_read(path, {"a": np.array(BFLOAT16_VALUES, np.float32).reshape(2, 2)})


def test_floats_that_do_not_fit_are_infinite_and_no_nan_warns(tmp_path: Path) -> None:
    # A signalling NaN of float16: all exponent bits, the highest bit of the mantissa clear (IEEE 754, section 6.2.1).
    values = {"wide": np.array([1e300, -1e300]), "nan": np.array([0x7D00], np.uint16).view(np.float16)}
    safetensors.numpy.save_file(values, tmp_path / "w.safetensors")
    with open_checkpoint(tmp_path / "w.safetensors") as checkpoint:
        assert checkpoint.read("wide").tolist() == [np.inf, -np.inf]
        assert np.isnan(checkpoint.read("nan")).all()


def test_integers_are_read_as_they_are_and_eight_bit_floats_are_refused(tmp_path: Path) -> None:
    header = {
        "a": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]},
        "b": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [2, 4]},
    }
    path = safetensors_file(tmp_path / "w.safetensors", header, b"\xff\x01\x00\x00")
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.read("a").tolist() == [-1, 1]
        assert not checkpoint.tensors["a"].is_float
    code, message = refused(path)
    assert (code, "`b` in `w.safetensors`" in message) == ("E0706", True)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        {"a": {"shape": [1]}},
        {"__metadata__": {"a": 1}},
        b"{",
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_a_header_of_safetensors_that_lies_is_refused(tmp_path: Path, header: object) -> None:
    path = safetensors_file(tmp_path / "w.safetensors", header, b"\x00" * 4)
    assert refused(path)[0] in ("E0704", "E0708")


def test_a_header_may_have_any_length(tmp_path: Path) -> None:
    # 0x80 is also how a pickle begins, and 0x0A and 0x20 are blanks.
    for length in (0x78, 0x80, 0x88, 0x10A, 0x180, 0x20A, 0x120):
        text = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).ljust(length)
        path = safetensors_file(tmp_path / "w", text.encode(), struct.pack("<f", 1.5))
        assert_read(path, {"a": np.array([1.5], np.float32)})


def sharded(folder: Path, index: object) -> Path:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    return path


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    first, second = dict(list(WEIGHTS.items())[:2]), dict(list(WEIGHTS.items())[2:])
    safetensors.numpy.save_file(first, tmp_path / "1.safetensors", metadata={"source": "a test"})
    (tmp_path / "blobs").mkdir()
    safetensors.numpy.save_file(second, tmp_path / "blobs" / "x")
    # As hubs' caches do.
    (tmp_path / "2.safetensors").symlink_to(tmp_path / "blobs" / "x")
    files = dict.fromkeys(first, "1.safetensors") | dict.fromkeys(second, "2.safetensors")
    path = sharded(tmp_path, {"metadata": {}, "weight_map": files})
    assert_read(path, WEIGHTS)
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {"source": "a test"}


@pytest.mark.parametrize("outside", ["../w.safetensors", "/etc/passwd", "a/../../w.safetensors", "..\\w", "c:w", ""])
def test_a_shard_outside_the_folder_is_not_opened(tmp_path: Path, outside: str) -> None:
    (tmp_path / "in").mkdir()
    safetensors.numpy.save_file(WEIGHTS, tmp_path / "w.safetensors")
    assert refused(sharded(tmp_path / "in", {"weight_map": {"conv.weight": outside}}))[0] == "E0707"


def test_a_shard_that_is_missing_or_lacks_its_tensor_is_named(tmp_path: Path) -> None:
    code, message = refused(sharded(tmp_path, {"weight_map": {"a": "1.safetensors"}}))
    assert (code, "`1.safetensors`" in message) == ("E0801", True)
    safetensors.numpy.save_file(WEIGHTS, tmp_path / "1.safetensors")
    code, message = refused(sharded(tmp_path, {"weight_map": {"a": "1.safetensors"}}))
    assert (code, "which lacks it" in message) == ("E0704", True)


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": 1}}, {"weight_map": {}}])
def test_json_that_is_no_index_is_no_checkpoint(tmp_path: Path, index: object) -> None:
    assert refused(sharded(tmp_path, index))[0] == "E0702"


# npz


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_numpy_are_read(tmp_path: Path, save: object) -> None:
    path = tmp_path / "w.npz"
    save(path, **WEIGHTS)  # type: ignore[operator]
    assert_read(path, WEIGHTS)


def test_the_order_and_the_endianness_of_an_array_make_no_difference(tmp_path: Path) -> None:
    matrix = np.arange(6, dtype=np.float64).reshape(2, 3)
    np.savez(tmp_path / "w.npz", fortran=np.asfortranarray(matrix), big=matrix.astype(">f4"), half=matrix.astype("f2"))
    assert_read(tmp_path / "w.npz", dict.fromkeys(("fortran", "big", "half"), matrix.astype(np.float32)))


def test_pickled_objects_in_an_archive_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.array([{"an": "object"}], object))
    code, message = refused(tmp_path / "w.npz")
    assert (code, "`a` in `w.npz` has elements of type object" in message) == ("E0706", True)


def npy(shape: str, dtype: str = "'<f4'") -> bytes:
    head = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


@pytest.mark.parametrize(
    "content",
    [
        npy("(1000000000000,)") + b"\0" * 4,
        npy("(1,)"),
        npy("(1,)") + b"\0" * 8,
        npy("(-1,)") + b"\0" * 4,
        npy("(1.5,)") + b"\0" * 4,
        npy("(1,)", "'<f9'") + b"\0" * 4,
        npy("(1,)", "__import__('os')") + b"\0" * 4,
        npy("(" * 3000 + ")" * 3000),
        b"\x93NUMPY\x09\x00" + b"\0" * 20,
        b"nothing",
        b"",
    ],
)
def test_a_head_of_an_array_that_lies_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", content)
    assert refused(path)[0] in ("E0704", "E0708")


def test_an_array_of_zeros_that_compresses_well_is_no_bomb(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "w.npz", a=np.zeros((1000, 1000), np.float32))
    assert_read(tmp_path / "w.npz", {"a": np.zeros((1000, 1000), np.float32)})


# ONNX


def onnx_model(*tensors: onnx.TensorProto, **metadata: str) -> onnx.ModelProto:
    graph = onnx.helper.make_graph([], "net", [], [], initializer=tensors)
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, metadata)
    return model


def test_initialisers_with_names_of_weights_are_read(tmp_path: Path) -> None:
    protos = [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()]
    constants = [
        numpy_helper.from_array(np.ones(2, np.float32), "stem:scale"),
        numpy_helper.from_array(np.ones(2, np.int64), "shape"),
    ]
    onnx.save(onnx_model(*protos, *constants, **{"resdsl.model": "net"}), tmp_path / "m.onnx")  # ours
    assert_read(tmp_path / "m.onnx", WEIGHTS)
    with open_checkpoint(tmp_path / "m.onnx") as checkpoint:
        assert checkpoint.metadata == {"resdsl.model": "net"}


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("dtype", ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"])
def test_every_float_of_onnx_is_read_from_bytes_and_from_numbers(tmp_path: Path, dtype: str, raw: bool) -> None:
    kind = getattr(onnx.TensorProto, dtype)
    values = [1.0, -2.5, 0.0]
    array = np.array(values, onnx.helper.tensor_dtype_to_np_dtype(kind))
    proto = onnx.helper.make_tensor("a", kind, [3], array.tobytes() if raw else values, raw=raw)
    onnx.save(onnx_model(proto), tmp_path / "m.onnx")
    assert_read(tmp_path / "m.onnx", {"a": np.array(values, np.float32)})


def test_external_data_is_read_from_the_folder_of_the_model(tmp_path: Path) -> None:
    protos = [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()]
    onnx.save(onnx_model(*protos), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.data").stat().st_size >= WEIGHTS["conv.weight"].nbytes
    assert_read(tmp_path / "m.onnx", WEIGHTS)


def external(location: str, **entries: int) -> onnx.TensorProto:
    proto = onnx.TensorProto(name="a", dims=[2], data_type=onnx.TensorProto.FLOAT)
    proto.data_location = onnx.TensorProto.EXTERNAL
    proto.external_data.add(key="location", value=location)
    for key, value in entries.items():
        proto.external_data.add(key=key, value=str(value))
    return proto


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", "folder/secret", "a/../../secret", ""])
def test_external_data_outside_the_folder_is_never_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(b"\x01" * 8)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path)
    (folder / "m.onnx").write_bytes(onnx_model(external(location)).SerializeToString())
    assert refused(folder / "m.onnx")[0] == "E0707"


@pytest.mark.parametrize("entries", [{"offset": 1}, {"offset": -1}, {"length": 4}, {"offset": 2**63, "length": 8}])
def test_external_data_beyond_the_end_of_its_file_is_refused(tmp_path: Path, entries: dict[str, int]) -> None:
    (tmp_path / "data").write_bytes(b"\x00" * 8)
    (tmp_path / "m.onnx").write_bytes(onnx_model(external("data", **entries)).SerializeToString())
    assert refused(tmp_path / "m.onnx")[0] == "E0704"


@pytest.mark.parametrize("dims", [[3], [-1], [1 << 40]])
def test_an_initialiser_whose_shape_lies_is_refused(tmp_path: Path, dims: list[int]) -> None:
    proto = onnx.TensorProto(name="a", dims=dims, data_type=onnx.TensorProto.FLOAT, raw_data=b"\0" * 8)
    (tmp_path / "m.onnx").write_bytes(onnx_model(proto).SerializeToString())
    assert refused(tmp_path / "m.onnx")[0] in ("E0704", "E0708")


def test_names_that_an_exporter_made_up_are_explained(tmp_path: Path) -> None:
    proto = numpy_helper.from_array(np.ones(2, np.float32), "onnx::Conv_497")
    onnx.save(onnx_model(proto), tmp_path / "m.onnx")
    code, message = refused(tmp_path / "m.onnx")
    assert (code, message) == ("E0702", "none of the 1 initialisers of `m.onnx` has the name of a weight")


def test_names_of_tensorflow_have_a_colon_and_are_weights(tmp_path: Path) -> None:
    proto = numpy_helper.from_array(np.ones(2, np.float32), "net/conv/BiasAdd/ReadVariableOp:0")
    onnx.save(onnx_model(proto), tmp_path / "m.onnx")
    assert_read(tmp_path / "m.onnx", {"net/conv/BiasAdd/ReadVariableOp:0": np.ones(2, np.float32)})


def test_names_that_an_exporter_made_up_are_counted(tmp_path: Path) -> None:
    protos = [numpy_helper.from_array(np.ones(2, np.float32), name) for name in ("fc.bias", "onnx::Conv_497")]
    onnx.save(onnx_model(*protos), tmp_path / "m.onnx")
    with open_checkpoint(tmp_path / "m.onnx") as checkpoint:
        assert (list(checkpoint.tensors), checkpoint.unnamed) == (["fc.bias"], ("onnx::Conv_497",))


def linear_model(operator: str, value: np.ndarray, **attributes: int) -> onnx.ModelProto:
    """``y = x * W``, with ``W`` as the operator takes it."""
    node = onnx.helper.make_node(operator, ["x", "w"], ["y"], **attributes)
    columns = value.shape[1] if attributes.get("transB") else value.shape[0]
    graph = onnx.helper.make_graph(
        [node],
        "net",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, columns])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, value.size // columns])],
        initializer=[numpy_helper.from_array(value, "w")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("size", [(3, 2), (3, 3)])
@pytest.mark.parametrize("location", [None, "w.bin"])
@pytest.mark.parametrize(
    ("operator", "attributes"), [("MatMul", {}), ("Gemm", {}), ("Gemm", {"transB": 0}), ("Gemm", {"transB": 1})]
)
def test_every_linear_weight_is_read_as_out_in(
    tmp_path: Path, operator: str, attributes: dict[str, int], location: str | None, size: tuple[int, int]
) -> None:
    ort = pytest.importorskip("onnxruntime")
    rows, columns = size
    value = np.arange(rows * columns, dtype=np.float32).reshape((columns, rows) if attributes.get("transB") else size)
    path = tmp_path / "m.onnx"
    model = linear_model(operator, value, **attributes)
    x = np.linspace(1, 2, rows, dtype=np.float32)[None]
    # What ONNX Runtime computes is x times the transpose of a weight [out, in], as in torch.nn.functional.linear.
    (expected,) = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )
    onnx.save(model, path, save_as_external_data=location is not None, location=location, size_threshold=0)
    with open_checkpoint(path) as checkpoint:
        weight = checkpoint.read("w")
        assert weight.shape == checkpoint.tensors["w"].shape == (columns, rows)
        np.testing.assert_allclose(x @ weight.T, expected, rtol=1e-6)
        assert_in_pieces(checkpoint, "w", weight)


# Telling them apart


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    safetensors.numpy.save_file(WEIGHTS, tmp_path / "w.pth")
    assert_read(tmp_path / "w.pth", WEIGHTS)
    with (tmp_path / "w.onnx").open("wb") as file:
        np.savez(file, **WEIGHTS)
    assert_read(tmp_path / "w.onnx", WEIGHTS)
    protos = [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()]
    (tmp_path / "w.bin").write_bytes(onnx_model(*protos).SerializeToString())
    assert_read(tmp_path / "w.bin", WEIGHTS)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "E0703", "an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "E0703", "a Git LFS pointer"),
        (b"\x1f\x8b\x08" + b"\0" * 40, "E0703", "compressed with gzip"),
        (b"\n <!DOCTYPE html><html>", "E0702", "a web page"),
        (b"\0" * 257 + b"ustar\x0000" + b"\0" * 300, "E0703", "a tar archive"),
        (b"\x93NUMPY\x01\x00", "E0703", "a single array"),
        (b"MZ\x90\x00", "E0702", "not a file of weights"),
        (b"\x08", "E0704", "damaged"),
        (b"\x08\x07", "E0702", "neither an ONNX model"),
        (b"\x00", "E0702", "not a file of weights"),
        (b"{", "E0702", "neither a file of weights nor JSON"),
        (b"{" + b"[" * 100_000, "E0702", "neither a file of weights nor JSON"),
    ],
)
def test_what_people_take_for_weights_is_reported_as_what_it_is(
    tmp_path: Path, content: bytes, code: str, message: str
) -> None:
    (tmp_path / "w").write_bytes(content)
    found = refused(tmp_path / "w")
    assert found[0] == code
    assert message in found[1]


def test_a_zip_of_other_things_is_reported(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as file:
        file.writestr("readme.txt", "")
    assert "a zip archive of `readme.txt`" in refused(tmp_path / "w.zip")[1]


def test_files_that_are_not_there_or_no_files(tmp_path: Path) -> None:
    (tmp_path / "empty.pth").touch()
    assert refused(tmp_path / "empty.pth")[0] == "E0805"
    assert refused(tmp_path)[0] == "E0802"
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(tmp_path / "emty.pth")
    assert caught.value.diagnostic.code.id == "E0801"
    assert f"there is `{tmp_path / 'empty.pth'}`" in caught.value.diagnostic.helps
    assert refused(tmp_path / "nowhere" / "w.pth")[0] == "E0801"
    assert refused(Path("/dev/null"))[0] == "E0803"
