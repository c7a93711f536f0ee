"""Dynamic batching: requests that wait at the same time run as one batch."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from resdsl.runtime.session import Array

Arrays = Mapping[str, Array]
Run = Callable[[Arrays, Sequence[str]], Arrays]
"""Runs a model: inputs by name, and the names of the outputs to compute. It is called in threads."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A batch that ran: its rows, the seconds it took, and the seconds that each of its requests had waited."""

    rows: int
    seconds: float
    waited: tuple[float, ...]


@dataclass(eq=False, slots=True)
class _Job:
    inputs: Arrays
    outputs: tuple[str, ...]
    rows: int
    arrived: float
    answer: asyncio.Future[Arrays]
    kind: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        # What may be concatenated: equal names, types and sizes of a row.
        self.kind = tuple(sorted((name, array.dtype.str, array.shape[1:]) for name, array in self.inputs.items()))


class Batcher:
    """Joins requests to batches of at most ``max_rows`` rows, and runs ``instances`` batches at the same time.

    A request waits at most ``max_delay`` seconds for others; one that is alone, after a batch that was, does not wait.
    ``joins`` says whether requests may share a batch; ``fixed`` is the number of rows that the model always takes, for
    which short batches are filled with copies. ``ran`` is called for each batch.

    With ``alone``, instances are cores that share the requests: each takes its part of those that wait, and ``alone``
    runs a request that has no company, on all of them.

    Threads take batches themselves, so that they do not wait for the event loop between two of them. All public methods
    belong to the event loop.
    """

    def __init__(
        self,
        run: Run,
        *,
        max_rows: int,
        max_delay: float,
        instances: int = 1,
        joins: bool = True,
        fixed: int | None = None,
        alone: Run | None = None,
        ran: Callable[[Ran], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._max_rows = fixed or max_rows
        self._max_delay = max_delay
        self._joins = joins
        self._fixed = fixed
        self._alone = alone
        self._ran = ran
        self._instances = instances
        self._loop = asyncio.get_running_loop()
        self._arriving: list[_Job] = []  # in this step of the event loop
        # What follows is read and written with the lock held.
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._running = 0
        self._company = False  # whether the last batch had more than one request
        self._collecting = False
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name="batch", daemon=True) for _ in range(instances)]
        for thread in self._threads:
            thread.start()

    async def submit(self, inputs: Arrays, outputs: Sequence[str], rows: int) -> Arrays:
        """The outputs of the model for the inputs of one request, all with ``rows`` rows.

        Raises what ``run`` raises. A request that is cancelled while it waits is not run.
        """
        answer: asyncio.Future[Arrays] = self._loop.create_future()
        if not self._arriving:
            self._loop.call_soon(self._arrive)
        self._arriving.append(_Job(inputs, tuple(outputs), rows, time.monotonic(), answer))
        return await answer

    def _arrive(self) -> None:
        arriving, self._arriving = self._arriving, []
        with self._changed:
            if self._closed:
                for job in arriving:
                    job.answer.cancel()
                return
            self._jobs += arriving
            self._changed.notify_all()

    async def close(self) -> None:
        """Stop. Requests that still wait are cancelled."""
        with self._changed:
            self._closed = True
            waiting, self._jobs = self._jobs, deque()
            self._changed.notify_all()
        for job in waiting:
            job.answer.cancel()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while (collected := self._collect()) is not None:
            batch, run = collected
            start = time.monotonic()
            answers = self._answers(batch, run)
            ran = Ran(
                sum(job.rows for job in batch), time.monotonic() - start, tuple(start - job.arrived for job in batch)
            )
            with self._changed:
                self._running -= 1
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                self._loop.call_soon_threadsafe(self._answer, batch, answers, ran)

    def _answer(self, batch: Sequence[_Job], answers: Sequence[Arrays | BaseException], ran: Ran) -> None:
        self._ran(ran)
        for job, answer in zip(batch, answers, strict=True):
            if job.answer.done():
                continue  # its client has left
            if isinstance(answer, BaseException):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)

    def _collect(self) -> tuple[list[_Job], Run] | None:
        """The next batch, the oldest request and those that can run with it, and what runs it; ``None`` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._collecting or self._closed)
            self._collecting = True
            try:
                return self._next()
            finally:
                self._collecting = False
                self._changed.notify_all()

    def _next(self) -> tuple[list[_Job], Run] | None:
        while not self._closed:
            while self._jobs and self._jobs[0].answer.done():
                self._jobs.popleft()
            if not self._jobs:
                self._changed.wait()
                continue
            oldest = self._jobs[0]
            batch = self._joinable(oldest)
            left = oldest.arrived + self._max_delay - time.monotonic()
            full = sum(job.rows for job in batch) >= self._max_rows or not self._joins
            if not full and left > 0 and (self._company or len(batch) > 1):
                self._changed.wait(left)
                continue
            taken = set(map(id, batch))
            self._jobs = deque(job for job in self._jobs if id(job) not in taken)
            accompanied = len(batch) > 1 or bool(self._alone and (self._running or self._jobs))
            lone, self._company = not (accompanied or self._company), accompanied
            self._running += 1
            return batch, self._alone if self._alone and lone else self._run
        return None

    def _joinable(self, oldest: _Job) -> list[_Job]:
        batch, rows, most = [oldest], oldest.rows, self._max_rows
        if self._alone and not self._fixed:
            waiting = sum(job.rows for job in self._jobs if not job.answer.done())
            most = min(most, -(-waiting // (self._instances - self._running)))
        if self._joins:
            for job in self._jobs:
                if job is oldest or job.kind != oldest.kind or job.answer.done():
                    continue
                if rows + job.rows > most:
                    break  # later ones must not overtake it for ever
                batch.append(job)
                rows += job.rows
        return batch

    def _answers(self, batch: Sequence[_Job], run: Run) -> list[Arrays | BaseException]:
        """The outputs of each request, or why it has none. If a batch fails, its requests run one by one."""
        if len(batch) > 1:
            try:
                answers = self._together(batch, run)
            except Exception:  # those that are to blame fail again
                answers = None
            if answers is not None:
                return list(answers)
        return [self._single(job, run) for job in batch]

    def _single(self, job: _Job, run: Run) -> Arrays | BaseException:
        try:
            values = run(self._filled(job.inputs, job.rows), job.outputs)
        except Exception as error:  # of this request, not of the worker
            return error
        return {name: array[: job.rows] for name, array in values.items()} if self._fixed else values

    def _together(self, batch: Sequence[_Job], run: Run) -> list[Arrays] | None:
        """The outputs of each request; ``None`` if an output has not the rows of the inputs."""
        rows = sum(job.rows for job in batch)
        joined = {name: np.concatenate([job.inputs[name] for job in batch]) for name in batch[0].inputs}
        outputs = tuple(dict.fromkeys(name for job in batch for name in job.outputs))
        values = run(self._filled(joined, rows), outputs)
        if any(not array.ndim or array.shape[0] != (self._fixed or rows) for array in values.values()):
            self._joins = False
            return None
        answers: list[Arrays] = []
        start = 0
        for job in batch:
            answers.append({name: values[name][start : start + job.rows] for name in job.outputs})
            start += job.rows
        return answers

    def _filled(self, inputs: Arrays, rows: int) -> Arrays:
        missing = (self._fixed or rows) - rows
        if missing <= 0:
            return inputs
        return {name: np.concatenate([array, *[array[-1:]] * missing]) for name, array in inputs.items()}
