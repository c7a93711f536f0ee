"""Run a job over parts of a data set on a Ray cluster. Ray Data schedules the parts and repeats those that are lost."""

from __future__ import annotations

import contextlib
import glob
import os
import pickle
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from resdsl.compiler.sessions import open_file
from resdsl.diagnostics.errors import ResdslError
from resdsl.ray.cluster import Copies, first_line, require_ray, unusable
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile
from resdsl.runtime.session import Session

Task = TypeVar("Task")
Result = TypeVar("Result")
Task_contra = TypeVar("Task_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

_TASK, _RESULT = "task", "result"


class Job(Protocol, Generic[Task_contra, Result_co]):
    """What is done with each part. Can be pickled, as can tasks and results.

    A task may run more than once, and on two machines at the same time, so it must have the same effect each time.
    """

    @property
    def output(self) -> str | None:
        """The value of the model that must be among its outputs."""

    def start(self, session: Session) -> Callable[[Task_contra], Result_co]:
        """What runs a task, with a session of the model."""


def run_tasks(
    tasks: Iterable[Task], job: Job[Task, Result], model: ModelFile, copies: Copies
) -> Generator[Result, None, None]:
    """The results of all tasks, in the order in which they end, on the connected cluster.

    ``tasks`` are sent there before the function returns, one by one: they are never all in this process. So are the
    files of the model. Raises the ``ResdslError`` of a task, and ``UnavailableError`` if
    the cluster fails: a machine or process that ends is replaced by Ray.
    """
    ray = require_ray()
    import pyarrow

    # One block for each task: a block is what Ray schedules, repeats and balances.
    blocks = [ray.put(pyarrow.table({_TASK: [pickle.dumps(task)]})) for task in tasks]
    arguments = (job, model.name, shipped(model.file), copies.device, Path.cwd())
    if ray.util.client.ray.is_connected():
        return _results_through_client(ray, blocks, arguments, copies)
    return _results(ray, blocks, arguments, copies)


_DEATHS_AT_START = 3
"""So many copies in a row may end before they have loaded the model. More are no accident: memory, for example."""


def _results(ray: Any, blocks: Sequence[Any], arguments: tuple[Any, ...], copies: Copies) -> Generator[Any, None, None]:
    if not blocks:
        return
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # A machine may go while a copy of the model is being loaded there, which by default ends the job.
    context.max_consecutive_actor_init_deaths = _DEATHS_AT_START
    number = min(copies.number, len(blocks))
    done = ray.data.from_arrow_refs(blocks).map_batches(
        _Actor,
        fn_constructor_args=arguments,
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=number, initial_size=number),
        num_cpus=copies.threads,
        num_gpus=copies.gpus,
    )
    try:
        for batch in done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for packed in batch[_RESULT]:
                result = pickle.loads(packed.as_py())
                if isinstance(result, ResdslError):
                    raise result
                yield result
    except ray.exceptions.RayError as error:
        raise unusable(f"the job failed on the Ray cluster: {first_line(error)}") from error


def _results_through_client(
    ray: Any, blocks: Sequence[Any], arguments: tuple[Any, ...], copies: Copies
) -> Generator[Any, None, None]:
    """The same from outside of the cluster, where Ray Data does not run: a process of the cluster runs it."""
    try:
        driver = ray.remote(num_cpus=0)(_Driver).remote(blocks, arguments, copies)
        while (packed := ray.get(driver.next.remote())) is not None:
            result = pickle.loads(packed)
            if isinstance(result, ResdslError):
                raise result
            yield result
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise unusable(f"the job failed on the Ray cluster: {first_line(error)}") from error


class _Driver:
    """A process of the cluster that runs a job for a client."""

    def __init__(self, blocks: Sequence[Any], arguments: tuple[Any, ...], copies: Copies) -> None:
        self._results = _results(require_ray(), blocks, arguments, copies)

    def next(self) -> bytes | None:
        """The next result, pickled; the error that ends the job; ``None`` after the last."""
        try:
            return pickle.dumps(next(self._results))
        except StopIteration:
            return None
        except ResdslError as error:
            return pickle.dumps(error)


def shipped(model: Path) -> dict[str, Any]:
    """References to the bytes of a model and of the weights beside it, by file name; the model is the first."""
    ray = require_ray()
    weights = sorted(model.parent.glob(f"{glob.escape(model.stem)}.*data"))
    return {path.name: ray.put(path.read_bytes()) for path in (model, *weights)}


def received(name: str, files: Mapping[str, Any]) -> tuple[tempfile.TemporaryDirectory[str], ModelFile]:
    """The model that ``shipped`` sent, in a temporary folder of this machine."""
    ray = require_ray()
    folder = tempfile.TemporaryDirectory(prefix="resdsl-")
    for file, content in files.items():
        Path(folder.name, file).write_bytes(ray.get(content))
    return folder, ModelFile(name, Path(folder.name, next(iter(files))))


class _Actor:
    """A process with a session, which runs one task after another."""

    def __init__(
        self, job: Job[Any, Any], name: str, files: dict[str, Any], device: DeviceOptions, folder: Path
    ) -> None:
        # Relative paths are those of the command.
        with contextlib.suppress(OSError):
            os.chdir(folder)
        self._folder, model = received(name, files)
        self._failed: ResdslError | None = None
        try:
            self._run = job.start(open_file(model, device=device, output=job.output))
        except ResdslError as error:
            # Raised here, it would be a reason for Ray to start the process again, for ever.
            self._failed = error

    def __call__(self, batch: Any) -> Any:
        import pyarrow

        results = [self._result(pickle.loads(packed.as_py())) for packed in batch[_TASK]]
        return pyarrow.table({_RESULT: [pickle.dumps(result) for result in results]})

    def _result(self, task: Any) -> Any:
        if self._failed is not None:
            return self._failed
        try:
            return self._run(task)
        except ResdslError as error:
            return error
