"""A file together with all that it uses: which name means which definition, in each file."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from resdsl.diagnostics import Code, Diagnostic, Diagnostics, Fix, Label, Option, Source, Text, catalogue
from resdsl.diagnostics.suggest import Suggester, closest, renamed
from resdsl.elaborate.allowances import Allowances
from resdsl.elaborate.limits import MOST_ERRORS, Limits, raise_limit
from resdsl.inputs import record_input
from resdsl.syntax import parse, tree

_BROKEN_DEFINITION = re.compile(r"\b(?:block|model|const)\s+(\w+)")

_LONGEST_CHAIN = 50
"""So many files may use one another in a row."""

Reader = Callable[[Path], str]
"""Gives the text of a file; raises ``OSError`` or ``UnicodeDecodeError``."""

Parser = Callable[[Source, Diagnostics], tree.Module]
"""Gives the tree of a text, and reports the errors in it."""


@dataclass(frozen=True, eq=False)
class Unit:
    """One file: its tree, and what each name in it refers to. What it takes from others keeps its own unit."""

    module: tree.Module
    definitions: dict[str, Defined] = field(default_factory=dict)
    consts: dict[str, tree.Const] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    """Names that are unknown because of a reported error: their use is not a second one."""
    labels: set[Path] = field(default_factory=set)
    """The files of labels that were read for it."""

    @cached_property
    def models(self) -> list[Defined]:
        """The models that this file itself defines, in order."""
        return [
            defined for defined in self.definitions.values() if defined.unit is self and defined.tree.kind == "model"
        ]


@dataclass(frozen=True, eq=False)
class Defined:
    """A block or model and the file that defines it."""

    tree: tree.Definition
    unit: Unit

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.tree.name.name

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters, in order."""
        return tuple(parameter.name.name for parameter in self.tree.parameters)


@dataclass(frozen=True, eq=False)
class Program:
    """The file to build and everything below it.

    ``units`` are all files that were read, the main one first; ``allowances`` are the warnings that comments silence.
    """

    units: tuple[Unit, ...]
    allowances: Allowances

    @property
    def main(self) -> Unit:
        return self.units[0]

    @property
    def sources(self) -> tuple[Source, ...]:
        """The texts of all units."""
        return tuple(unit.module.source for unit in self.units)

    @property
    def files(self) -> list[Path]:
        """All files that were read so far; those of labels are read when a model is built."""
        paths = [source.path for source in self.sources if source.path is not None]
        return [*paths, *(path for unit in self.units for path in unit.labels)]


def read_file(path: Path) -> str:
    record_input(path)
    return path.read_text(encoding="utf-8")


def load_program(
    source: Source,
    diagnostics: Diagnostics,
    *,
    limits: Limits | None = None,
    read: Reader = read_file,
    parse: Parser = parse,
) -> Program:
    """Parse a file and, following ``use``, all the files that it needs.

    Errors are reported; what could not be read is missing from the units. ``read`` is how other files are read, and
    ``parse`` how all of them are parsed.
    """
    loader = _Loader(diagnostics, limits or Limits(), read, parse, _root(source))
    loader.load(source, ())
    units = tuple(loader.units.values())
    allowances = Allowances()
    for unit in units:
        allowances.add(unit.module)
    return Program(units, allowances)


def standard_library() -> Path:
    """The folder of the built-in blocks."""
    return Path(__file__).parents[1] / "std"


def _root(source: Source) -> Path:
    return (source.path.parent if source.path else Path()).resolve()


@dataclass(slots=True)
class _Loader:
    diagnostics: Diagnostics
    limits: Limits
    read: Reader
    parse: Parser
    root: Path
    units: dict[object, Unit] = field(default_factory=dict)
    suggester: Suggester = field(default_factory=Suggester)
    length: int = 0
    """Characters that were read so far."""
    full: bool = False
    """Whether no more files may be read; the error has been reported."""

    def load(self, source: Source, users: tuple[tuple[Path, tree.Use], ...]) -> Unit:
        unit = Unit(self.parse(source, self.diagnostics))
        self.units[source.path.resolve() if source.path else source] = unit
        self._define_own(unit)
        for item in unit.module.items:
            if isinstance(item, tree.Use):
                self._use(unit, item, users)
        return unit

    def _define_own(self, unit: Unit) -> None:
        first: dict[str, tree.Identifier] = {}
        for item in unit.module.items:
            if isinstance(item, tree.Broken):
                unit.missing.update(_BROKEN_DEFINITION.findall(item.span.text))
            if not isinstance(item, tree.Definition | tree.Const):
                continue
            if item.name.name in first:
                self._defined_twice(item.name, first[item.name.name])
                continue
            first[item.name.name] = item.name
            if isinstance(item, tree.Definition):
                unit.definitions[item.name.name] = Defined(item, unit)
            else:
                unit.consts[item.name.name] = item

    def _use(self, unit: Unit, use: tree.Use, users: tuple[tuple[Path, tree.Use], ...]) -> None:
        used = self._used_unit(unit, use, users)
        for name in use.names:
            if name.name in unit.definitions or name.name in unit.consts:
                known = unit.definitions.get(name.name)
                if used is not None and (known is None or known.unit is not used):
                    own = known.tree.name if known else unit.consts[name.name].name
                    self._defined_twice(own, name)
                continue
            if used is None:
                unit.missing.add(name.name)
                continue
            definition = used.definitions.get(name.name)
            if definition is None or definition.unit is not used:
                unit.missing.add(name.name)
                if name.name not in used.missing:
                    self._not_in(use, name, used)
                continue
            unit.definitions[name.name] = definition

    def _used_unit(self, unit: Unit, use: tree.Use, users: tuple[tuple[Path, tree.Use], ...]) -> Unit | None:
        source = unit.module.source
        written = use.path.value
        if written.startswith("std/"):
            path, name = standard_library() / written.removeprefix("std/"), written
            inside = is_below(path, standard_library())
        else:
            base = source.path.parent if source.path else Path()
            path, name = base / written, _shown(source.name, written)
            inside = self.limits.outside or is_below(path, self.root) or is_below(path, standard_library())
        if not inside:
            self._report(
                catalogue.USE_OUTSIDE,
                f'"{written}" lies outside the folder of the specification',
                use.path,
                helps=(
                    Text("move the file below that folder, or allow it with ", Option("limits", {"outside": True})),
                ),
            )
            return None
        key = resolved(path) or path
        line = (*users, (source.path.resolve() if source.path else Path(source.name), use))
        if any(user == key for user, _ in line):
            self._cycle(key, line)
            return None
        if key in self.units:
            return self.units[key]
        if self.full:
            return None
        if len(self.units) >= self.limits.files:
            self._too_much(f"more than {self.limits.files:,} files are used", use.path, "files")
            return None
        if len(users) >= _LONGEST_CHAIN:
            message = f"files use files that use files, {_LONGEST_CHAIN} deep"
            self._report(catalogue.LIMIT, message, use.path, helps=("use the file that defines the block directly",))
            return None
        text = self._text(path, use)
        return None if text is None else self.load(Source(name, text, path), line)

    def _text(self, path: Path, use: tree.Use) -> str | None:
        try:
            if self.read is read_file and not self._is_readable(path, use):
                return None
            text = self.read(path)
            self.length += len(text)
            if self.length <= self.limits.total_bytes:
                return text
            message = f"the used files have more than {self.limits.total_bytes:,} bytes together"
            self._too_much(message, use.path, "total_bytes")
            return None
        except UnicodeDecodeError:
            reason = "is not text in UTF-8"
        except IsADirectoryError:
            reason = "is a folder"
        except FileNotFoundError:
            reason = "does not exist"
        except (OSError, ValueError) as error:
            reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        self._report(
            catalogue.USE_NOT_FOUND,
            f'the used file "{use.path.value}" {reason}',
            use.path,
            fix=renamed(use.path.span, _neighbour(path, use.path.value)),
        )
        return None

    def _is_readable(self, path: Path, use: tree.Use) -> bool:
        """Whether the file can be read to its end. A file that is too large is reported."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            # A pipe may never be written to, and a device may never end.
            raise OSError(None, "it is a device or a pipe")
        if status.st_size <= self.limits.file_bytes:
            return True
        message = f'"{use.path.value}" is larger than {self.limits.file_bytes:,} bytes'
        self._too_much(message, use.path, "file_bytes")
        return False

    def _too_much(self, message: str, at: tree.Tree, limit: str) -> None:
        self.full = self.full or limit != "file_bytes"
        self._report(catalogue.LIMIT, message, at, helps=(raise_limit(limit),))

    def _cycle(self, key: Path, line: tuple[tuple[Path, tree.Use], ...]) -> None:
        circle = line[next(index for index, (user, _) in enumerate(line) if user == key) :]
        last = circle[-1][1]
        self.diagnostics.report(
            Diagnostic(
                catalogue.USE_CYCLE,
                "files use each other in a circle" if len(circle) > 1 else "a file uses itself",
                Label(last.path.span, "this leads back to where it began"),
                tuple(Label(use.path.span, "used from here") for _, use in circle[:-1]),
                helps=("move what both need into a third file",),
            )
        )

    def _not_in(self, use: tree.Use, name: tree.Identifier, used: Unit) -> None:
        own = [definition.name for definition in used.definitions.values() if definition.unit is used]
        guess = self.suggester.closest(name.name, own)
        fix = renamed(name.span, guess)
        notes = (f"it defines {', '.join(f'`{other}`' for other in own[:8])}",) if own and not guess else ()
        self._report(catalogue.USE_NAME, f'"{use.path.value}" defines no `{name.name}`', name, notes=notes, fix=fix)

    def _defined_twice(self, second: tree.Identifier, first: tree.Identifier) -> None:
        self._add(
            Diagnostic(
                catalogue.DUPLICATE_DEFINITION,
                f"`{second.name}` is defined twice",
                Label(second.span, "again here"),
                (Label(first.span, "first here"),),
                helps=("give one of them another name",),
            )
        )

    def _report(
        self,
        code: Code,
        message: str,
        at: tree.Tree,
        *,
        helps: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        fix: Fix | None = None,
    ) -> None:
        self._add(Diagnostic(code, message, Label(at.span), helps=helps, notes=notes, fix=fix))

    def _add(self, diagnostic: Diagnostic) -> None:
        """Report an error, unless there are so many already that no more are of use."""
        if len(self.diagnostics) < MOST_ERRORS:
            self.diagnostics.report(diagnostic)


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path is in a folder, links followed. A path that no file can have is below every folder."""
    real = resolved(path)
    return real is None or real.is_relative_to(folder.resolve())


def is_file(path: Path) -> bool:
    """Whether there is such a file; no file has a name that is too long, or a null character in it."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def resolved(path: Path) -> Path | None:
    """The path with links followed; ``None`` for one that no file can have."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        # A name that is too long, a null character, a circle of links.
        return None


def _shown(user: str, written: str) -> str:
    """The name of a used file as messages give it: beside the name of the file that uses it."""
    folder = user.rpartition("/")[0]
    return f"{folder}/{written}" if folder and not user.startswith("<") else written


def _neighbour(path: Path, written: str) -> str | None:
    """The file beside a missing one that was probably meant, as a string of the language."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix == ".res"]
    except (OSError, ValueError):
        return None
    guess = closest(path.name, names)
    folder = written.rpartition("/")[0]
    return f'"{folder}/{guess}"' if guess and folder else f'"{guess}"' if guess else None
