"""Read a pickle as data: nothing is imported, nothing is called.

Unpickling executes what the file requests. Python's unpicklers can be restricted with ``find_class``, but still call
what they are given, set attributes (``BUILD``), hash nested values (tuples of tuples take exponential time) and grow
their memo to any index in the file (``LONG_BINPUT`` 2^31 allocates gigabytes in C). This reader does none of that: it
iterates over the opcodes (``pickletools.genops`` only parses them) and builds plain values. A *global* is a name that
must be in a list; ``Rebuild`` decides what replaces a call of it. Time and memory are bounded by the length of the
pickle and the number of its opcodes.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from resdsl.diagnostics import catalogue
from resdsl.untrusted import bounded_int, bounded_text
from resdsl.weights.checkpoint import CheckpointError

MAX_BYTES = 64 << 20
"""Of one pickle. Tensors are stored outside: that of ResNet-152 with its optimizer state has 0.5 MB."""

MAX_OPCODES = 2_000_000
"""Of one pickle: about 70,000 tensors. An object takes at least one opcode, so this bounds memory as well as time."""


MAX_KEY = 10_000
"""Characters of a key of a dict."""


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function named in the file. Never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Opaque:
    """An object without weights (a date, the arguments of a training script). Its content is discarded."""

    __slots__ = ()


OPAQUE = Opaque()

Allow = Callable[[Global], None]
"""Raises ``CheckpointError`` for a global that a file of weights does not need."""

Rebuild = Callable[[Global, tuple[object, ...]], object]
"""The replacement for the result of calling a global. Raises ``ValueError`` for invalid arguments."""

Persistent = Callable[[object], object]
"""The replacement for an object with a persistent identifier. Raises ``ValueError`` for an invalid one."""


class Window:
    """The bytes of a pickle inside a larger buffer, as the stream that ``genops`` reads. Ends after ``MAX_BYTES``."""

    def __init__(self, data: bytes | mmap.mmap, start: int, name: str) -> None:
        self._data = data
        self._position = start
        self._limit = start + MAX_BYTES
        self._name = name

    def tell(self) -> int:
        return self._position

    def read(self, count: int) -> bytes:
        return self._take(self._position + count)

    def readline(self) -> bytes:
        # Lines hold numbers and names; longer ones are malicious.
        line = self._data[self._position : self._position + 65_536]
        end = line.find(b"\n")
        return self._take(self._position + (end + 1 if end >= 0 else len(line)))

    def _take(self, end: int) -> bytes:
        if end > self._limit and len(self._data) > self._limit:
            raise CheckpointError.of(
                catalogue.CHECKPOINT_TOO_LARGE,
                f"the pickle in `{self._name}` has more than {MAX_BYTES >> 20} MB",
                helps=("save only the tensors: `torch.save(model.state_dict(), ...)`",),
            )
        data = self._data[self._position : end]
        self._position += len(data)
        return data


def read_pickle(window: Window, name: str, allow: Allow, rebuild: Rebuild, persistent: Persistent) -> object:
    """The value of one pickle; the window is then positioned after it.

    Made of ``None``, ``bool``, ``int``, ``float``, ``str``, ``bytes``, lists, tuples, dicts with ``str`` as keys,
    ``Global``, ``Opaque`` and the results of ``rebuild`` and ``persistent``. Anything else raises ``CheckpointError``.
    """
    machine = _Machine(name, allow, rebuild, persistent)
    start = window.tell()
    try:
        for count, (opcode, argument, position) in enumerate(_opcodes(window)):
            if count > MAX_OPCODES:
                raise CheckpointError.of(
                    catalogue.CHECKPOINT_TOO_LARGE,
                    f"`{name}` has more than {MAX_OPCODES:,} pickled objects",
                    helps=("save only the tensors: `torch.save(model.state_dict(), ...)`",),
                )
            start = position
            machine.step(opcode, argument)
        return machine.result()
    # Python warns about some texts in pickles, and a user may turn warnings into errors.
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, DeprecationWarning) as error:
        raise CheckpointError.damaged(name, f"its pickle is invalid at byte {start:,}") from error


def _opcodes(window: Window) -> Iterator[tuple[str, Any, int]]:
    for opcode, argument, position in pickletools.genops(window):  # type: ignore[arg-type]  # has the methods of a file
        yield opcode.name, argument, position or 0


_PUSHED = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
"""Opcodes that push their argument."""

_FIXED: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "EMPTY_SET": OPAQUE}
_IGNORED = {"PROTO", "FRAME", "STOP"}


class _Machine:
    """The stack machine of the pickle format; ``pickletools`` documents each opcode.

    A mark saves the stack and starts a new one, so that nothing below a mark is reachable.
    """

    def __init__(self, name: str, allow: Allow, rebuild: Rebuild, persistent: Persistent) -> None:
        self._name = name
        self._allow = allow
        self._rebuild = rebuild
        self._persistent = persistent
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, object] = {}

    def result(self) -> object:
        (value,) = self._stack
        return value

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _PUSHED:
            self._stack.append(argument)
        elif opcode in _FIXED:
            self._stack.append(_FIXED[opcode])
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        elif opcode not in _IGNORED:
            # INST and OBJ call, EXT1 to EXT4 use a registry; torch writes none of them.
            raise CheckpointError.of(
                catalogue.REFUSED_GLOBAL,
                f"`{self._name}` uses the pickle operation {opcode}, which files of weights do not need",
                helps=("download the weights from a source that you trust, preferably as `.safetensors`",),
                notes=("no code in the file was executed",),
            )

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("the stack is empty")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def _pop_to_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._marked.pop()
        return items

    def put(self, index: int) -> None:
        # Writers count from 0. Any integer would let a file choose ones that collide in the dict: quadratic time.
        if bounded_int(index, most=MAX_OPCODES) is None:
            raise IndexError("a memo index larger than the number of objects")
        self._memo[index] = self._stack[-1]

    def memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def mark(self, _: None) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def pop(self, _: None) -> None:
        # Directly after a mark, POP removes the mark.
        if self._stack:
            self._stack.pop()
        else:
            self._pop_to_mark()

    def pop_mark(self, _: None) -> None:
        self._pop_to_mark()

    def dup(self, _: None) -> None:
        self._stack.append(self._stack[-1])

    def make_tuple(self, _: None) -> None:
        items = tuple(self._pop_to_mark())
        self._stack.append(items)

    def tuple1(self, _: None) -> None:
        self._stack.append(tuple(self._pop(1)))

    def tuple2(self, _: None) -> None:
        self._stack.append(tuple(self._pop(2)))

    def tuple3(self, _: None) -> None:
        self._stack.append(tuple(self._pop(3)))

    def empty_list(self, _: None) -> None:
        self._stack.append([])

    def make_list(self, _: None) -> None:
        items = self._pop_to_mark()
        self._stack.append(items)

    def empty_dict(self, _: None) -> None:
        self._stack.append({})

    def make_dict(self, _: None) -> None:
        items = self._pop_to_mark()
        self._stack.append({})
        self._set_items(items)

    def append(self, _: None) -> None:
        self._extend(self._pop(1))

    def appends(self, _: None) -> None:
        self._extend(self._pop_to_mark())

    def set_item(self, _: None) -> None:
        self._set_items(self._pop(2))

    def set_items(self, _: None) -> None:
        self._set_items(self._pop_to_mark())

    def add_items(self, _: None) -> None:
        self._pop_to_mark()

    def make_frozenset(self, _: None) -> None:
        self._pop_to_mark()
        self._stack.append(OPAQUE)

    def name_global(self, names: str) -> None:
        module, name = names.split(" ", 1)
        self._push_global(module, name)

    def stack_global(self, _: None) -> None:
        module, name = self._pop(2)
        self._push_global(module, name)

    def call(self, _: None) -> None:
        function, arguments = self._pop(2)
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise ValueError("only globals are called")
        self._stack.append(self._rebuild(function, arguments))

    def build(self, _: None) -> None:
        # The state of an object, such as the `_metadata` of an OrderedDict, is discarded.
        self._pop(1)

    def refer(self, _: None) -> None:
        (identifier,) = self._pop(1)
        self._stack.append(self._persistent(identifier))

    def _push_global(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("the name of a global is not a string")
        requested = Global(module, name)
        self._allow(requested)
        self._stack.append(requested)

    def _extend(self, items: Sequence[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif target is not OPAQUE:
            raise ValueError("items for a value that is not a list")

    def _set_items(self, items: Sequence[object]) -> None:
        target = self._stack[-1]
        if target is OPAQUE:
            return
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("items for a value that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Names of tensors are strings, whose hashes are salted. Hashing nested values may take exponential time,
            # and integers and floats can be chosen to collide: quadratic time.
            if isinstance(key, str):
                if bounded_text(key, most=MAX_KEY) is None:
                    raise ValueError("a key that is not valid text")
                target[key] = value


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.dup,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": _Machine.tuple1,
    "TUPLE2": _Machine.tuple2,
    "TUPLE3": _Machine.tuple3,
    "EMPTY_LIST": _Machine.empty_list,
    "LIST": _Machine.make_list,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "EMPTY_DICT": _Machine.empty_dict,
    "DICT": _Machine.make_dict,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "FROZENSET": _Machine.make_frozenset,
    "GLOBAL": _Machine.name_global,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.refer,
}
"""Opcodes with an effect. None of them imports, calls, sets an attribute or hashes a nested value."""
