"""The globals that a PyTorch checkpoint may contain, and the inert values that replace them."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.diagnostics import catalogue
from resdsl.untrusted import MOST_INT, bounded_int, bounded_ints, bounded_text, printable
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats.inert_pickle import MAX_KEY, OPAQUE, Global, Window, read_pickle


@dataclass(frozen=True, slots=True)
class Storage:
    """A range of elements in the file. ``dtype`` is ``untyped`` for bytes whose type each tensor states.

    ``base`` is the offset of a view of it (in very old files), ``count`` the number of elements of the view.
    """

    key: str
    dtype: str
    base: int
    count: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as described by the file, unchecked. ``offset`` and ``strides`` count elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "UntypedStorage": "untyped",
}

ITEM_SIZES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
    "complex128": 16,
    "complex64": 8,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "untyped": 1,
}

_DTYPE_ALIASES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32"}

_TENSORS = {"_rebuild_tensor": 4, "_rebuild_tensor_v2": 4, "_rebuild_tensor_v3": 7}
"""torch's functions that rebuild tensors, and how many of their arguments locate the elements."""

_WRAPPED = {"_rebuild_parameter", "_rebuild_parameter_with_state"}
"""torch's functions that rebuild a parameter; the tensor is their first argument."""

_INERT = {
    "argparse": {"Namespace"},
    "builtins": {"set", "frozenset", "list", "dict", "tuple", "int", "float", "bool", "str", "bytes", "slice", "range"},
    "collections": {"OrderedDict", "defaultdict", "Counter", "deque"},
    "_codecs": {"encode"},  # old protocols write bytes with it
    "datetime": {"datetime", "date", "timedelta"},
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "pathlib": {"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"},
    "torch": {"Size", "device", "Generator", "Tensor", *STORAGES, *ITEM_SIZES, *_DTYPE_ALIASES, "strided"},
    "torch._utils": {*_TENSORS, *_WRAPPED},
    "torch.cuda": set(STORAGES),
    "torch.nn.parameter": {"Parameter", "Buffer"},
    "torch.serialization": {"_get_layout"},
    "torch.storage": {*STORAGES, "TypedStorage"},
}
_INERT["__builtin__"] = _INERT["builtins"] | {"unicode", "long"}  # Python 2

_DANGEROUS = {
    *("os", "posix", "nt", "subprocess", "sys", "shutil", "socket", "pty", "runpy", "importlib", "imp", "code"),
    *("commands", "ctypes", "webbrowser", "pickle", "_pickle", "marshal", "types", "functools", "operator", "inspect"),
    *("builtins", "__builtin__", "pip", "pdb", "bdb", "timeit", "cProfile", "profile", "trace", "multiprocessing"),
    *("urllib", "http", "requests", "asyncio", "signal", "threading", "tempfile", "codeop", "site", "venv"),
}


def read_object(window: Window, name: str, storages: dict[str, str]) -> object:
    """The next pickle of a PyTorch checkpoint, as plain values and ``StoredTensor``.

    The keys of its storages are added to ``storages``, with their element types.
    """

    def refer(identifier: object) -> Storage:
        storage = _storage(identifier)
        storages[storage.key] = storage.dtype
        return storage

    return read_pickle(window, name, lambda requested: _allow(requested, name), _rebuild, refer)


def _allow(requested: Global, name: str) -> None:
    if requested.name in _INERT.get(requested.module, ()):
        return
    shown = printable(f"{requested}", most=120)
    if requested.module.split(".")[0] in _DANGEROUS:
        raise CheckpointError.of(
            catalogue.REFUSED_GLOBAL,
            f"`{name}` refers to `{shown}`, which no file of weights needs; other loaders could execute code",
            helps=("do not load this file with `torch.load`; download the weights from a source that you trust",),
            notes=("no code in the file was executed",),
        )
    raise CheckpointError.of(
        catalogue.REFUSED_GLOBAL,
        f"`{name}` holds an object of `{shown}`, which only its own code can rebuild",
        helps=("save only the tensors, where that code is installed: `torch.save(model.state_dict(), ...)`",),
        notes=("no code in the file was executed",),
    )


def _rebuild(function: Global, arguments: tuple[object, ...]) -> object:
    match function.module, function.name:
        case "collections", "OrderedDict":
            return _ordered(arguments)
        case "collections", "defaultdict":
            return {}
        case "torch._utils", name if name in _WRAPPED:
            tensor = arguments[0]
            if not isinstance(tensor, StoredTensor):
                raise ValueError("a parameter without a tensor")
            return tensor
        case "torch._utils", name:
            return _tensor(name, arguments)
        case "torch", "Size":
            return _sizes(arguments[0])
    return OPAQUE


def _ordered(arguments: tuple[object, ...]) -> dict[str, object]:
    if not arguments:
        return {}
    # Python 2 writes the items as a list of pairs.
    (items,) = arguments
    if not isinstance(items, list):
        raise ValueError("items that are not a list")
    ordered: dict[str, object] = {}
    for item in items:
        key, value = item
        if bounded_text(key, most=MAX_KEY) is not None:
            ordered[key] = value
    return ordered


def _tensor(function: str, arguments: tuple[object, ...]) -> StoredTensor:
    if len(arguments) < _TENSORS[function]:
        raise ValueError("too few arguments for a tensor")
    storage, offset, shape, strides = arguments[:4]
    offset = bounded_int(offset)
    if not isinstance(storage, Storage) or offset is None:
        raise ValueError("a tensor without a storage")
    dtype = storage.dtype
    if function == "_rebuild_tensor_v3":
        # The storage is untyped; the seventh argument is the type.
        dtype_global = arguments[6]
        if not isinstance(dtype_global, Global):
            raise ValueError("a tensor without a type")
        dtype = _DTYPE_ALIASES.get(dtype_global.name, dtype_global.name)
    return StoredTensor(storage, dtype, offset, _sizes(shape), _sizes(strides))


def _sizes(value: object) -> tuple[int, ...]:
    sizes = bounded_ints(value, least=-MOST_INT)
    if sizes is None:
        raise ValueError("a shape that is not a sequence of 64-bit integers")
    return sizes


def _storage(identifier: object) -> Storage:
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise ValueError("a reference that is not to a storage")
    _, kind, key, _device, count = identifier[:5]
    if not isinstance(kind, Global) or kind.name not in STORAGES or not isinstance(key, str):
        raise ValueError("a storage without a type or a name")
    base: object = 0
    if len(identifier) == 6 and identifier[5] is not None:
        _view, base, count = identifier[5]
    count, base = bounded_int(count), bounded_int(base)
    if count is None or base is None:
        raise ValueError("a storage without a size")
    return Storage(key, STORAGES[kind.name], base, count)
