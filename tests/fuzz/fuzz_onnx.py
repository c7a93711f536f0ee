"""Fuzz the reader of ONNX files: networks with changed nodes, sizes, attributes, names and bytes.

    python -m tests.fuzz.fuzz_onnx [EXECUTIONS] [SEED]

Every result must be a network that the commands take, or a ``CompileError``. Prints what fails and what takes longer
than ``SLOW`` seconds of CPU time; the seed and the number of an execution make it again: ``mutant(seed, number)``.
"""

from __future__ import annotations

import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError

from resdsl.diagnostics import CompileError
from resdsl.importer import inference, onnx_child
from resdsl.review.html import render_html
from resdsl.review.markdown import render_markdown
from resdsl.review.terminal import render_text
from resdsl.specification.load import load
from resdsl.specification.model_file import ModelFile
from resdsl.specification.specification import Specification
from resdsl.tools.diff.diff import diff
from resdsl.tools.draw.draw import draw
from resdsl.tools.git.layer_table import layer_table
from resdsl.tools.import_network.text import written
from resdsl.tools.summary.formats import text
from resdsl.tools.view.view import view
from tests.foreign_onnx import FOREIGN, hostile

SLOW = 5.0
TYPES = (
    *("Add", "Mul", "Sub", "Div", "Concat", "Sum", "Relu", "Clip", "Sigmoid", "Softmax", "Identity", "Cast", "Pad"),
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "Gemm", "MatMul", "Resize", "PRelu"),
    *("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "Shape", "Split", "Expand"),
    *("BatchNormalization", "InstanceNormalization", "LayerNormalization", "ReduceMean", "ReduceL2", "Dropout", "LRN"),
    *("Constant", "ConstantOfShape", "Range", "If", "Loop", "Foo", "", "QuantizeLinear", "DequantizeLinear", "Erf"),
)
NAMES = (
    *("", "x", "y", "a/b", "N", "a*b", "é\x1b[1m", "w" * 300, "layer1.0.conv1.weight", "/layer1/layer1.0/Conv", "if"),
    *(
        "</script><img src=x onerror=1>",
        "`a`|b](x)",
        "a\nb",
        "\u202ea",
        "--",
        "# comment",
        "'\"\\",
        "\x9b31m",
        "{{ a }}",
    ),
)
SIZES = (-1, 0, 1, 2, 3, 7, 64, 4096, 1 << 31, (1 << 39) + 1, -(1 << 63), (1 << 63) - 1)


def seeds() -> list[bytes]:
    """The networks that are changed: valid ones, and small files that are wrong in one way."""
    wrong = [make() for make in hostile(20).values()]
    return [make().SerializeToString() for make in FOREIGN.values()] + [data for data in wrong if len(data) < 5_000]


SEEDS = seeds()


def mutant(seed: int, number: int) -> bytes:
    """The file of one execution."""
    dice = random.Random(f"{seed}/{number}")
    data = dice.choice(SEEDS)
    if dice.random() < 0.25:
        return _with_other_bytes(data, dice)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return _with_other_bytes(data, dice)
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        dice.choice(CHANGES)(model, dice)
    return model.SerializeToString()


def _with_other_bytes(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(4):
            case 0 if at < len(changed):
                changed[at] = dice.randrange(256)
            case 1:
                del changed[at : at + dice.randrange(1, 20)]
            case 2:
                changed[at:at] = dice.randbytes(dice.randrange(1, 6))
            case _:
                del changed[at:]
    return bytes(changed)


def _node(model: onnx.ModelProto, dice: random.Random) -> onnx.NodeProto:
    return dice.choice(model.graph.node) if model.graph.node else model.graph.node.add()


def _any_name(model: onnx.ModelProto, dice: random.Random) -> str:
    known = [name for node in model.graph.node for name in (*node.input, *node.output)]
    known += [one.name for one in (*model.graph.initializer, *model.graph.input, *model.graph.output)]
    return dice.choice(NAMES) if not known or dice.random() < 0.2 else dice.choice(known)


def change_type(model: onnx.ModelProto, dice: random.Random) -> None:
    _node(model, dice).op_type = dice.choice(TYPES)


def change_input(model: onnx.ModelProto, dice: random.Random) -> None:
    node = _node(model, dice)
    match dice.randrange(3):
        case 0 if node.input:
            node.input[dice.randrange(len(node.input))] = _any_name(model, dice)
        case 1:
            node.input.append(_any_name(model, dice))
        case _ if node.input:
            del node.input[dice.randrange(len(node.input))]


def change_output(model: onnx.ModelProto, dice: random.Random) -> None:
    node = _node(model, dice)
    match dice.randrange(3):
        case 0 if node.output:
            node.output[dice.randrange(len(node.output))] = _any_name(model, dice)
        case 1:
            node.output.append(f"more{dice.randrange(5)}")
        case _:
            model.graph.output.add().name = _any_name(model, dice)


def change_nodes(model: onnx.ModelProto, dice: random.Random) -> None:
    nodes = model.graph.node
    match dice.randrange(3):
        case 0 if nodes:
            del nodes[dice.randrange(len(nodes))]
        case 1:
            copy = nodes.add()
            copy.CopyFrom(_node(model, dice))
            copy.output[:] = [f"{name}'" for name in copy.output]
        case _ if len(nodes) > 1:
            order = list(nodes)
            dice.shuffle(order)
            del nodes[:]
            nodes.extend(order)


def change_attribute(model: onnx.ModelProto, dice: random.Random) -> None:
    node = _node(model, dice)
    given = [one for other in model.graph.node for one in other.attribute]
    attribute = node.attribute.add()
    if given and dice.random() < 0.7:
        attribute.CopyFrom(dice.choice(given))
    else:
        attribute.name = dice.choice(
            ("axis", "axes", "perm", "pads", "strides", "group", "keepdims", "to", "kernel_shape")
        )
    if dice.random() < 0.7:
        attribute.type = dice.choice((1, 2, 3, 6, 7))
        attribute.i, attribute.f = dice.choice(SIZES), dice.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
        attribute.ints[:] = [dice.choice(SIZES) for _ in range(dice.randrange(5))]


def change_shape(model: onnx.ModelProto, dice: random.Random) -> None:
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    if not values:
        return
    dims = dice.choice(values).type.tensor_type.shape.dim
    match dice.randrange(3):
        case 0 if dims:
            del dims[dice.randrange(len(dims))]
        case 1:
            dims.add().dim_value = dice.choice(SIZES)
        case _ if dims:
            dim = dice.choice(dims)
            if dice.random() < 0.5:
                dim.dim_value = dice.choice(SIZES)
            else:
                dim.dim_param = dice.choice(NAMES)


def change_tensor(model: onnx.ModelProto, dice: random.Random) -> None:
    tensors = model.graph.initializer
    if not tensors:
        return
    tensor = dice.choice(tensors)
    match dice.randrange(6):
        case 0:
            tensor.dims[:] = [dice.choice(SIZES) for _ in range(dice.randrange(5))]
        case 1 if tensor.dims:
            tensor.dims[dice.randrange(len(tensor.dims))] = dice.choice(SIZES)
        case 2:
            tensor.data_type = dice.randrange(25)
        case 3:
            tensor.raw_data = tensor.raw_data[: dice.randrange(len(tensor.raw_data) + 1)]
        case 4:
            tensor.name = _any_name(model, dice)
        case _:
            tensor.data_location = 1
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", dice.choice(("../x", "/etc/passwd", "x.bin", "mutant.onnx", ""))
            for key in ("offset", "length"):
                if dice.random() < 0.5:
                    entry = tensor.external_data.add()
                    entry.key, entry.value = key, dice.choice(("-1", "1e3", "9" * 5000, str(1 << 63), "\u0664", ""))


def change_name(model: onnx.ModelProto, dice: random.Random) -> None:
    node = _node(model, dice)
    node.name = dice.choice(NAMES)
    if dice.random() < 0.5:
        entry = node.metadata_props.add()
        entry.key = dice.choice(("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy", "resdsl.path"))
        entry.value = dice.choice(("['', 'a', 'a.b', 'c']", "['\\'', \"b\"]", "[" * 50, "a.b.c", "", "['x" * 40))


CHANGES: tuple[Callable[[onnx.ModelProto, random.Random], None], ...] = (
    *(change_type, change_input, change_output, change_nodes, change_attribute, change_attribute),
    *(change_shape, change_tensor, change_tensor, change_name),
)


def check_onnx(file: Path, *, thorough: bool) -> str:
    """What reading the file gives: ``text``, ``graph`` or ``error``. Raises whatever is a bug."""
    try:
        network = load(file)
        _ = network.graph
    except CompileError as error:
        assert error.diagnostics.errors
        return "error"
    if thorough:
        for show in SHOWN:
            try:
                shown = show(network)
            except CompileError as error:
                assert error.diagnostics.errors
            else:
                hidden = {letter for letter in shown if not letter.isprintable()} - {"\n"}
                assert not hidden, f"{hidden} in what is shown"
                # In Markdown, what is between fences or backticks is no HTML.
                assert show not in PAGES or "<img" not in _CODE.sub("", shown)
    return "text" if network.source.text else "graph"


_CODE = re.compile("^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def _imported(network: Specification) -> str:
    assert isinstance(network, ModelFile)
    return written(network).source.text


def _comment(network: Specification) -> str:
    return render_markdown(diff(network, _other()))


def _page(network: Specification) -> str:
    return render_html(diff(_other(), network))


PAGES: tuple[Callable[[Specification], str], ...] = (lambda network: draw(network).svg(), view, _page, _comment)
SHOWN: tuple[Callable[[Specification], str], ...] = (
    *PAGES,
    lambda network: text(network.summary(), network.smallest_input),
    lambda network: layer_table(network.graph),
    lambda network: draw(network).render("mermaid").decode(),
    lambda network: draw(network).render("dot").decode(),
    lambda network: render_text(diff(network, _other())),
    _imported,
)
"""What commands show of a network: no name of the file may change how it is read."""


@cache
def _other() -> Specification:
    """The network that others are compared with, read once."""
    with tempfile.TemporaryDirectory(prefix="resdsl-fuzz-") as folder:
        path = Path(folder, "other.onnx")
        onnx.save(FOREIGN["convolutions"](), path)
        other = load(path)
    assert other.graph is not None
    return other


def forked(task: str, model: bytes) -> bytes | None:
    """As ``inference.from_onnx``, in a copy of this process: starting one takes longer than reading a small file."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            with os.fdopen(writing, "wb") as out:
                out.write(onnx_child.result_of(task, model) or b"")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        content = result.read()
    os.waitpid(child, 0)
    return content or None


_MEMORY = 512 << 20
"""Bytes of address space of the copy, which has the libraries of this process too. Some files fill it."""


def main(executions: int = 100_000, seed: int = 0, numbers: Iterable[int] | None = None) -> int:
    """Run, and return how many executions failed."""
    warnings.simplefilter("error")
    inference.from_onnx = forked
    folder = Path(tempfile.mkdtemp(prefix="resdsl-fuzz-"))
    file = folder / "mutant.onnx"
    kinds: dict[str, int] = {}
    failed: dict[str, int] = {}
    begin = time.monotonic()
    for number in range(executions) if numbers is None else numbers:
        file.write_bytes(mutant(seed, number))
        start = time.process_time()
        try:
            kind = check_onnx(file, thorough=number % 8 == 0)
        except Exception as error:
            kind = "failure"
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
            failed[where] = failed.get(where, 0) + 1
            if failed[where] == 1:
                print(f"{number}: {where}: {error}"[:300], flush=True)
        if (taken := time.process_time() - start) > SLOW:
            print(f"{number}: {taken:.1f} s", flush=True)
        kinds[kind] = kinds.get(kind, 0) + 1
        if number % 1_000 == 999:
            print(f"{number + 1:,} in {time.monotonic() - begin:.0f} s: {kinds}", flush=True)
    print(f"{executions:,} executions in {time.monotonic() - begin:.0f} s: {kinds}; {failed}")
    return sum(failed.values())


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:3]))))
