"""Results in a folder of partitions, each of which is written whole or not at all, by any machine."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.arrow import pyarrow
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.formats import JsonLines, LinesTable, ParquetTable, Table
from resdsl.runtime.prefetch import prefetch
from resdsl.runtime.results import Failure
from resdsl.runtime.rows import PredictOptions, classifier_of, results_of
from resdsl.runtime.session import Session
from resdsl.runtime.sources import Container
from resdsl.runtime.stores import explained_store, is_address, plain, store_of, tried_again

FORMATS = ("parquet", "jsonl")

_RUN = "_run.json"
_TEMPORARY = "_temporary"
_TRIES = 3
_MOST_DIAGNOSTICS = 100
_COUNTERS = 8


@dataclass(frozen=True, slots=True)
class Partition:
    """Part of the images of a run. ``number`` is its position among the parts."""

    number: int
    images: Container

    def file(self, kind: str) -> str:
        """The name of its results: ``part-000017-5b1f6a2c.parquet``. The digits identify its images."""
        digest = sha256(self.images.key.encode(errors="surrogateescape")).hexdigest()[:8]
        return f"part-{self.number:06}-{digest}.{kind}"


@dataclass(frozen=True, slots=True)
class Done:
    """A partition that is complete: its images, and how many of them failed, the first of them for these reasons."""

    images: int
    failed: int
    diagnostics: tuple[Diagnostic, ...] = ()


class PartitionFolder:
    """A folder of partitions, by its path or its address in a store. Can be pickled."""

    def __init__(self, target: str, kind: str) -> None:
        self.target = target
        self.kind = kind
        # Other machines have other current folders.
        self._path = "" if is_address(target) else os.path.abspath(target)  # noqa: PTH100  links stay

    def earlier(self, digest: str, *, resume: bool) -> tuple[frozenset[str], Done | None]:
        """The names of the partitions that are complete, and their totals if the run is. Writes nothing.

        ``digest`` identifies the model and options. Raises ``RunError`` if the folder has anything else than partitions
        of the same run, or partitions without ``resume``.
        """
        system, root = self._place()
        names = self._names(system, root)
        if _RUN not in names:
            if names:
                raise _not_resumable(
                    f"`{self._shown}` has files that are not results", "name a new folder, or an empty one"
                )
            return frozenset(), None
        if not resume:
            raise _not_resumable(
                f"`{self._shown}` has the results of an earlier run",
                Text("add ", Option("resume", True), " to continue it, or to keep them if they are complete"),
                "or name another folder",
            )
        run = self._read(system, f"{root}/{_RUN}")
        if run.get("digest") != digest:
            raise _not_resumable(
                f"`{self._shown}` was written with another model or other options, so it cannot be continued",
                "use the model and options of the first run, or name another folder",
            )
        whole = Done(run["images"], run["failed"]) if isinstance(run.get("images"), int) else None
        return frozenset(name for name in names if name.startswith("part-")), whole

    def begin(self, digest: str, *, resume: bool) -> tuple[frozenset[str], Done | None]:
        """As ``earlier``; a new folder is made, and gets what identifies the run."""
        done, whole = self.earlier(digest, resume=resume)
        if not done and whole is None:
            system, root = self._place()
            with explained_store(self._shown):
                system.create_dir(root, recursive=True)
            self._write_run({"digest": digest, "format": self.kind})
        return done, whole

    def has(self, partition: Partition, done: frozenset[str]) -> bool:
        """Whether a partition is among ``done``. Raises ``RunError`` if it is, with other images."""
        name = partition.file(self.kind)
        if name in done:
            return True
        if any(other.startswith(f"part-{partition.number:06}-") for other in done):
            first = next(partition.images.items(), None)
            raise _not_resumable(
                f"the images of partition {partition.number} of `{self._shown}` have changed"
                + (f", which now begins with `{first.name}`" if first else ""),
                "pass the same images in the same order, or name another folder",
            )
        return False

    def counts(self, names: Iterable[str]) -> Iterator[Done]:
        """The rows of complete partitions, by the names of their files."""
        system, root = self._place()
        read = partial(_count, system, root, self.kind)
        return prefetch(read, names, threads=_COUNTERS, depth=4 * _COUNTERS)

    def write(self, partition: Partition, fill: Callable[[BinaryIO], Done]) -> Done:
        """Write a partition; it appears when it is complete. Writing it again replaces it by the same bytes."""
        with tempfile.TemporaryFile() as local:
            done = fill(local)
            self._put(partition.file(self.kind), local)
        return done

    def _put(self, name: str, content: BinaryIO) -> None:
        system, root = self._place()

        def copy() -> None:
            content.seek(0)
            temporary = f"{root}/{_TEMPORARY}/{name}.{uuid.uuid4().hex}"
            system.create_dir(f"{root}/{_TEMPORARY}", recursive=True)
            with system.open_output_stream(temporary) as stream:
                shutil.copyfileobj(content, stream, 1 << 20)
            # A copy that failed on its way leaves part of a file, which is never moved to its place.
            try:
                system.move(temporary, f"{root}/{name}")
            except NotImplementedError:  # Azure without a hierarchical namespace; a copy is there whole or not at all
                system.copy_file(temporary, f"{root}/{name}")
                system.delete_file(temporary)

        tried_again(copy, self._shown)

    def _write_run(self, data: dict[str, object]) -> None:
        self._put(_RUN, io.BytesIO(json.dumps(data, indent=2).encode() + b"\n"))

    def end(self, digest: str, total: Done) -> None:
        """State that all partitions are complete."""
        system, root = self._place()
        self._write_run({"digest": digest, "format": self.kind, "images": total.images, "failed": total.failed})
        files = pyarrow("partitions need pyarrow", name="pyarrow.fs")
        with explained_store(self._shown):
            if system.get_file_info([f"{root}/{_TEMPORARY}"])[0].type == files.FileType.Directory:
                system.delete_dir(f"{root}/{_TEMPORARY}")

    @property
    def _shown(self) -> str:
        return plain(self.target) if is_address(self.target) else self.target

    def _place(self) -> tuple[Any, str]:
        if is_address(self.target):
            return store_of(self.target)
        return pyarrow("partitions need pyarrow", name="pyarrow.fs").LocalFileSystem(), self._path

    def _names(self, system: Any, root: str) -> set[str]:
        files = pyarrow("partitions need pyarrow", name="pyarrow.fs")
        with explained_store(self._shown):
            (here,) = system.get_file_info([root])
            if here.type == files.FileType.File:
                raise RunError.of(
                    catalogue.NOT_A_FILE,
                    f"`{self._shown}` is a file, and partitions need a folder",
                    helps=("name a folder",),
                )
            found = system.get_file_info(files.FileSelector(root, allow_not_found=True))
        return {one.base_name for one in found if one.base_name != _TEMPORARY and one.type == files.FileType.File}

    def _read(self, system: Any, path: str) -> dict[str, Any]:
        def read() -> bytes:
            with system.open_input_file(path) as stream:
                content: bytes = stream.read(1 << 16)
            return content

        try:
            data = json.loads(tried_again(read, self._shown))
        except ValueError:
            data = None
        return data if isinstance(data, dict) else {}


def _count(system: Any, root: str, kind: str, name: str) -> Done:
    with explained_store(name), system.open_input_file(f"{root}/{name}") as stream:
        if kind == "parquet":
            parquet = pyarrow("partitions need pyarrow", name="pyarrow.parquet")
            errors = parquet.read_table(stream, columns=["error"])["error"]
            return Done(len(errors), len(errors) - errors.null_count)
        lines = JsonLines()
        failed = [lines.read(line)[1] for line in stream.read().splitlines()]
    return Done(len(failed), sum(failed))


@dataclass(frozen=True, slots=True)
class PredictJob:
    """Writes the results of partitions: a job for a cluster."""

    folder: PartitionFolder
    options: PredictOptions

    @property
    def output(self) -> str | None:
        return self.options.get("output")

    def start(self, session: Session) -> Callable[[Partition], Done]:
        """What writes the partitions, with a session of the model."""
        return partial(self._run, classifier_of(session, self.options))

    def _run(self, classifier: Classifier, partition: Partition) -> Done:
        for tries in range(_TRIES):
            try:
                return self.folder.write(partition, partial(self._fill, classifier, partition))
            except UnavailableError as error:
                # A store that fails in the middle of a file: its images are read again from the start.
                if error.diagnostic.code != catalogue.STORE or tries + 1 == _TRIES:
                    raise
        raise AssertionError("the last try returns or raises")

    def _fill(self, classifier: Classifier, partition: Partition, stream: BinaryIO) -> Done:
        stream.seek(0)
        stream.truncate()
        table = self._table(classifier, stream)
        images = failed = 0
        diagnostics: list[Diagnostic] = []
        with closing(results_of(classifier, partition.images.items(), self.options)) as results:
            for result in results:
                table.write(result)
                images += 1
                if isinstance(result, Failure):
                    failed += 1
                    diagnostics.append(result.diagnostic)
                    del diagnostics[_MOST_DIAGNOSTICS:]
        table.close()
        stream.flush()
        return Done(images, failed, tuple(diagnostics))

    def _table(self, classifier: Classifier, stream: BinaryIO) -> Table:
        if self.folder.kind == "parquet":
            return ParquetTable(stream, classifier.feature_type)
        return LinesTable(stream, JsonLines())


def digits(*settings: object) -> str:
    """Eight hexadecimal digits of what a run depends on."""
    return sha256(repr(settings).encode()).hexdigest()[:8]


def kind_of(target: str, requested: str | None) -> str:
    """The requested format of partitions, or that of the suffix of their folder, or Parquet."""
    suffix = Path(plain(target)).suffix.removeprefix(".").lower()
    kind = requested or (suffix if suffix in FORMATS else "parquet")
    if kind not in FORMATS:
        raise RunError.of(
            catalogue.ROW_FORMAT,
            f"partitions are Parquet files or JSON Lines, not `{kind}`",
            helps=(Text("use ", Option("format", "parquet"), " or ", Option("format", "jsonl")),),
        )
    return kind


def _not_resumable(fact: str, *helps: str | Text) -> RunError:
    return RunError.of(catalogue.NOT_RESUMABLE, fact, helps=helps)
