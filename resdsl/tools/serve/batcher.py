"""Dynamic batching: requests that wait at the same time run as one batch."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from resdsl.diagnostics import RunError
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
        self.kind = tuple(sorted((name, str(array.dtype), array.shape[1:]) for name, array in self.inputs.items()))


class Batcher:
    """Joins requests to batches of at most ``max_rows`` rows, and runs ``instances`` batches at the same time.

    A request waits at most ``max_delay`` seconds for others; one that is alone, after a batch that was, does not wait.
    ``joins`` says whether requests may share a batch; ``fixed`` is the number of rows that the model always takes, for
    which short batches are filled with copies. ``ran`` is called for each batch.

    All methods belong to the event loop.
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
        ran: Callable[[Ran], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._max_rows = fixed or max_rows
        self._max_delay = max_delay
        self._joins = joins
        self._fixed = fixed
        self._ran = ran
        self._jobs: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._collecting = asyncio.Lock()
        self._company = False  # whether the last batch had more than one request
        self._pool = ThreadPoolExecutor(instances, thread_name_prefix="batch")
        self._workers = [asyncio.create_task(self._work()) for _ in range(instances)]

    async def submit(self, inputs: Arrays, outputs: Sequence[str], rows: int) -> Arrays:
        """The outputs of the model for the inputs of one request, all with ``rows`` rows.

        Raises what ``run`` raises. A request that is cancelled while it waits is not run.
        """
        answer: asyncio.Future[Arrays] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(inputs, tuple(outputs), rows, time.monotonic(), answer))
        self._arrived.set()
        return await answer

    async def close(self) -> None:
        """Stop. Requests that still wait are cancelled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for job in self._jobs:
            job.answer.cancel()
        self._pool.shutdown(wait=False)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._collecting:
                batch = await self._collect()
            start = time.monotonic()
            answers = await loop.run_in_executor(self._pool, self._answers, batch)
            waited = tuple(start - job.arrived for job in batch)
            self._ran(Ran(sum(job.rows for job in batch), time.monotonic() - start, waited))
            for job, answer in zip(batch, answers, strict=True):
                if job.answer.done():
                    continue  # its client has left
                if isinstance(answer, BaseException):
                    job.answer.set_exception(answer)
                else:
                    job.answer.set_result(answer)

    async def _collect(self) -> list[_Job]:
        """The next batch: the oldest request, and those that can run with it."""
        while True:
            while self._jobs and self._jobs[0].answer.done():
                self._jobs.popleft()
            if not self._jobs:
                await self._arrival()
                continue
            oldest = self._jobs[0]
            batch = self._joinable(oldest)
            left = oldest.arrived + self._max_delay - time.monotonic()
            full = sum(job.rows for job in batch) >= self._max_rows or not self._joins
            if not full and left > 0 and (self._company or len(batch) > 1):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._arrival(), left)
                continue
            self._company = len(batch) > 1
            taken = set(map(id, batch))
            self._jobs = deque(job for job in self._jobs if id(job) not in taken)
            return batch

    def _joinable(self, oldest: _Job) -> list[_Job]:
        batch, rows = [oldest], oldest.rows
        if self._joins:
            for job in self._jobs:
                if job is oldest or job.kind != oldest.kind or job.answer.done():
                    continue
                if rows + job.rows > self._max_rows:
                    break  # later ones must not overtake it for ever
                batch.append(job)
                rows += job.rows
        return batch

    async def _arrival(self) -> None:
        self._arrived.clear()
        await self._arrived.wait()

    def _answers(self, batch: Sequence[_Job]) -> list[Arrays | BaseException]:
        """The outputs of each request, or why it has none. If a batch fails, its requests run one by one."""
        if len(batch) > 1:
            try:
                answers = self._together(batch)
            except RunError:
                answers = None
            if answers is not None:
                return list(answers)
        return [self._alone(job) for job in batch]

    def _alone(self, job: _Job) -> Arrays | BaseException:
        try:
            values = self._run(self._filled(job.inputs, job.rows), job.outputs)
        except Exception as error:  # of this request, not of the worker
            return error
        return {name: array[: job.rows] for name, array in values.items()} if self._fixed else values

    def _together(self, batch: Sequence[_Job]) -> list[Arrays] | None:
        """The outputs of each request; ``None`` if an output has not the rows of the inputs."""
        rows = sum(job.rows for job in batch)
        joined = {name: np.concatenate([job.inputs[name] for job in batch]) for name in batch[0].inputs}
        outputs = tuple(dict.fromkeys(name for job in batch for name in job.outputs))
        values = self._run(self._filled(joined, rows), outputs)
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
