"""The path of each operator, by what the file has: tensor names, exporters' metadata, node names.

A path is where an operator stands in the module that was exported (``layer1.0.conv1``): the names of its tensors begin
with it. An operator without tensors has the path of its module too, or one in the module that holds its neighbours.
"""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache

from resdsl.importer.draft import Value
from resdsl.importer.records import NodeRecord
from resdsl.ir import metadata
from resdsl.ir.graph import ScopeKind
from resdsl.ops.affine import Affine
from resdsl.ops.join import Join
from resdsl.ops.opaque import Opaque

_INVENTED = re.compile(
    r"^(onnx::.*|val_\d+|\d+|_val_\d+|const_?\w*|tensor_\d+|.*/ReadVariableOp.*_\d+|/.*|input\d+|Constant_\d+"
    r"|[A-Za-z]+__\d+(_weights|_bias)_fused_bn|(p2o\.)?helper\.constant\.\d+)$"
)
"""Names that exporters make up for tensors whose own they have lost."""

_NOT_A_LABEL = re.compile(r"[^A-Za-z0-9_]+")
_LONGEST = 200

_LONGEST_LIST = 20_000
_STRING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_LIST = re.compile(rf"\[(?:(?:{_STRING.pattern})(?:, )?)*+\]")
_ESCAPED = re.compile(r"\\(.)")

_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
_NAMESPACE = "namespace"
_NO_BLOCKS = frozenset(kind for kind in ScopeKind if kind not in (ScopeKind.BLOCK, ScopeKind.MODEL))
"""What stands in a namespace in place of the name of a block."""


def is_invented(name: str) -> bool:
    """Whether an exporter has made up the name of a tensor."""
    return _INVENTED.match(name) is not None


def is_named_by_role(name: str) -> bool:
    """Whether the name of a tensor ends in what it is to its layer."""
    return _ROLE.search(name) is not None


def paths_of(values: Sequence[Value]) -> tuple[list[str], frozenset[int]]:
    """A path for each value, all different, and the places of those whose module the file has given."""
    shared = Counter(tensor.name for value in values for tensor in value.tensors.values())
    owners = [_by_tensors(value, shared) for value in values]
    hints = [_by_scopes(value.records) or _by_node_names(value.records) for value in values]
    # A folded tensor has the name of the call that made it; where the call stands says more.
    owners = ["" if "." not in owner and "." in hint else owner for owner, hint in zip(owners, hints, strict=True)]
    # A module that holds others is where an operator stands; one that holds none is the operator.
    holders = {
        path[:end]
        for path in (owner or hint for owner, hint, value in zip(owners, hints, values, strict=True) if value.tensors)
        for end in range(len(path))
        if path[end] == "."
    }
    holders.add("")
    owners = [_beside_layers(value, owner, holders) for value, owner in zip(values, owners, strict=True)]
    paths = [""] * len(values)
    taken: dict[str, int] = {}
    # Layers first: a name that two have is that of the tensors.
    for place in sorted(range(len(values)), key=lambda place: not values[place].tensors):
        path = owners[place] or hints[place]
        if not owners[place] and (path in holders or not path):
            path = f"{path}.{_word(values[place])}" if path else _word(values[place])
        paths[place] = unique(path, taken)
    known = frozenset(place for place, value in enumerate(values) if owners[place] or _knows_place(value.records))
    return paths, known


def _beside_layers(value: Value, owner: str, holders: Collection[str]) -> str:
    """The path of an operator whose module holds others: a tensor of a block (``blocks.0.gamma``) is a layer in it."""
    tensors = list(value.tensors.values())
    if owner not in holders or not isinstance(value.operator, Affine) or len(tensors) != 1:
        return owner
    name = _labels([part for part in tensors[0].name.split(":")[0].split(".") if part])
    is_of_block = name.startswith(f"{owner}.") and name.rpartition(".")[2] not in value.tensors
    return name if is_of_block else owner


def _knows_place(records: Sequence[NodeRecord]) -> bool:
    """Whether the file states the module of a node, the top one (whose path is empty) included."""
    return any(
        metadata.PATH.key in record.metadata
        or record.metadata.get(_SCOPES, "").startswith("[")
        or record.name.startswith("/")
        for record in records
    )


def classes_of(values: Sequence[Value]) -> dict[str, str]:
    """The name of the class of each module, or of the block that it is, by path, where the file has it."""
    found: dict[str, str] = {}
    for value in values:
        for record in value.records:
            scopes, classes = (_list(record.metadata.get(key, "")) for key in (_SCOPES, _CLASSES))
            for scope, kind in zip(scopes[:-1], classes[:-1], strict=False):
                found.setdefault(_labels(scope.split(".")), kind.rpartition(".")[2])
            if metadata.PATH.key in record.metadata:
                for path, block in _blocks(record.metadata.get(_NAMESPACE, "")):
                    found.setdefault(path, block)
    return found


@lru_cache(1024)  # The nodes of a block have the same, but for its last part.
def _blocks_of(scopes: str) -> tuple[tuple[str, str], ...]:
    labels: list[str] = []
    found: list[tuple[str, str]] = []
    for part in scopes.split("/")[1:]:
        label, colon, kind = part.rpartition(": ")
        if colon:
            labels += label.split(".")
            if kind not in _NO_BLOCKS:
                found.append((_labels(labels), kind))
    return tuple(found)


def _blocks(namespace: str) -> tuple[tuple[str, str], ...]:
    """Paths and names of the blocks in what resdsl writes: ``resnet50/layer1: stage/0: bottleneck/conv1: conv``."""
    return _blocks_of(namespace.rpartition("/")[0]) if len(namespace) <= _LONGEST_LIST else ()


def _by_tensors(value: Value, shared: Counter[str]) -> str:
    """The part that the names of its own tensors have in common; empty where the exporter has renamed them."""
    names = [
        tensor.name.split(":")[0]
        for tensor in value.tensors.values()
        if shared[tensor.name] == 1 and not is_invented(tensor.name)
    ]
    if any("/" in name for name in names) or not names:
        return _by_operations(names, value.records)
    stem = os.path.commonprefix(names).rstrip("._") if len(names) > 1 else names[0]  # noqa: RUF071
    path = _ROLE.sub("", stem)
    if len(names) == 1 and not isinstance(value.operator, Opaque):
        # What the language calls the only tensor of this operator, as the `tau` of a norm, is a role as well.
        path = next((stem.removesuffix(f".{role}") for role in value.tensors if stem.endswith(f".{role}")), path)
    return _labels([part for part in path.split(".") if part]) if path else ""


def _by_operations(names: Sequence[str], records: Sequence[NodeRecord]) -> str:
    """The layer in names of TensorFlow, ``model/block_1_expand/Conv2D``, of its first tensor or of its nodes.

    A tensor that was computed from others may have lost its name, and a folded norm leaves its own at the bias, or at
    the value.
    """
    found = [_OPERATION.sub("", name) for name in names]
    nodes = [record.name for record in records if not record.name.startswith("/")]
    nodes += [name.split(":")[0] for record in records for name in record.outputs if not name.startswith("/")]
    found += [layer for name in nodes if (layer := _OPERATION.sub("", name)) != name]
    path = _ROLE.sub("", found[0]) if found else ""
    return _labels([part for part in path.removeprefix("ConstantFolding/").split("/") if part])


_ROLE = re.compile(
    r"(^|[._/])(weights?|bias(es)?|running(_mean|_var)?|(depthwise_)?kernel|gamma|beta|moving(_mean|_variance)?|scale|[wbs])"
    r"(_\d+)?(_deepcopy_\d+)?$"
)
"""What a tensor is to its layer, at the end of its name. Paddle appends the number of a copy."""

_OPERATION = re.compile(
    r"(/(batchnorm|convolution|separable_conv2d|depthwise|Conv2D|MatMul|BiasAdd|FusedBatchNormV3|ReadVariableOp|Cast|Reshape"
    r"|merged_input|truediv_recip|truediv|mul|add|sub|Rsqrt)(_\d+)?)+((_weights|_bias)_fused_bn)?$"
)
"""The operations of TensorFlow that a layer is made of, behind its name: ``conv1_bn/batchnorm/mul``."""


def _by_scopes(records: Sequence[NodeRecord]) -> str:
    """The path that resdsl writes, or the innermost module in the metadata of PyTorch's exporter."""
    for record in records:
        if metadata.PATH.key in record.metadata:
            return _labels(record.metadata[metadata.PATH.key].split("."))
        scopes = _list(record.metadata.get(_SCOPES, ""))
        if len(scopes) > 1:
            return _labels(scopes[-2].split("."))
    return ""


def _by_node_names(records: Sequence[NodeRecord]) -> str:
    """``/layer1/layer1.0/conv1/Conv``, whose parts may begin with the one before."""
    for record in records:
        parts = [part for part in record.name.split("/") if part]
        if len(parts) < 2 or not record.name.startswith("/"):
            continue
        labels: list[str] = []
        before = ""
        for part in parts[:-1]:
            labels += [part.removeprefix(f"{before}.")] if before and part.startswith(f"{before}.") else [part]
            before = part
        return _labels([one for label in labels for one in label.split(".")])
    return ""


def _word(value: Value) -> str:
    """What an operator without a path of its own is called."""
    operator = value.operator
    if isinstance(operator, Join):
        return operator.join
    if isinstance(operator, Opaque):
        return _labels([operator.type.rpartition(".")[2].lower()]) or "value"
    return operator.name or "value"


def _labels(parts: Sequence[str]) -> str:
    """Parts of a path as labels of the language."""
    return ".".join(label for part in parts if (label := _label(part)))[:_LONGEST]


def _label(part: str) -> str:
    return part if part.isidentifier() else _NOT_A_LABEL.sub("_", part).strip("_")


def unique(path: str, taken: dict[str, int]) -> str:
    """The path, with a number where it is taken: ``taken`` has the last number of each."""
    name, count = path, taken.get(path, 0) or 1
    while name in taken:
        count += 1
        name = f"{path}_{count}"
    taken[path] = count
    taken.setdefault(name, 1)
    return name


@lru_cache(1024)  # The nodes of a module have the same.
def _list(text: str) -> tuple[str, ...]:
    """A list of strings as Python prints it; empty for any other text."""
    if len(text) > _LONGEST_LIST or not _LIST.fullmatch(text):
        return ()
    return tuple(_ESCAPED.sub(r"\1", one[1:-1]) for one in _STRING.findall(text))
