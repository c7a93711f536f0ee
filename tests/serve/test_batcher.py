"""Dynamic batching: what shares a batch, how long requests wait, and that they do not harm each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resdsl
from resdsl.diagnostics import RunError, catalogue
from resdsl.tools.serve.batcher import Batcher, Ran
from resdsl.tools.serve.options import LogFormat, ServeOptions

Arrays = Mapping[str, Any]


class Doubling:
    """A model that doubles, remembers its batches, and refuses rows that hold 13."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        assert self.go.wait(30)
        (values,) = inputs.values()
        self.batches.append(values[:, 0].tolist())
        if (values == 13).any():
            raise RunError.of(catalogue.RUN_FAILED, "unlucky")
        return dict.fromkeys(outputs, 2 * values)


def row(value: float, rows: int = 1, size: int = 2) -> Arrays:
    return {"x": np.full((rows, size), value, np.float32)}


def answers(model: Any, requests: Sequence[Arrays], **options: Any) -> list[Any]:
    async def ask() -> list[Any]:
        batcher = Batcher(model, **{"max_rows": 4, "max_delay": 0.0, **options})
        asked = [batcher.submit(one, ["y"], len(one["x"])) for one in requests]
        given = await asyncio.gather(*asked, return_exceptions=True)
        await batcher.close()
        return [one if isinstance(one, BaseException) else one["y"] for one in given]

    return asyncio.run(ask())


def test_requests_that_wait_together_run_together_up_to_the_limit() -> None:
    model = Doubling()
    given = answers(model, [row(1), row(2, rows=2), row(3), row(4), row(5)])
    assert model.batches == [[1, 2, 2, 3], [4, 5]]
    assert [one.tolist() for one in given] == [[[2, 2]], [[4, 4], [4, 4]], [[6, 6]], [[8, 8]], [[10, 10]]]


def test_requests_of_other_sizes_run_in_other_batches() -> None:
    model = Doubling()
    given = answers(model, [row(1), row(2, size=3), row(3)])
    assert model.batches == [[1, 3], [2]] and given[1].shape == (1, 3)


def test_a_request_that_fails_harms_no_other() -> None:
    model = Doubling()
    given = answers(model, [row(1), row(13), row(3)])
    assert isinstance(given[1], RunError) and given[0].tolist() == [[2, 2]] and given[2].tolist() == [[6, 6]]
    assert model.batches == [[1, 13, 3], [1], [13], [3]]


def test_a_request_larger_than_a_batch_runs_alone() -> None:
    model = Doubling()
    given = answers(model, [row(1, rows=9), row(2)])
    assert model.batches == [[1] * 9, [2]] and len(given[0]) == 9


def test_a_model_of_a_fixed_batch_gets_it_and_nobody_sees_the_copies() -> None:
    model = Doubling()
    given = answers(model, [row(1), row(2), row(3, rows=4)], fixed=4)
    assert model.batches == [[1, 2, 2, 2], [3] * 4] and [len(one) for one in given] == [1, 1, 4]


def test_outputs_that_have_not_the_rows_of_the_inputs_are_never_split() -> None:
    batches = []

    def total(inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        batches.append(len(inputs["x"]))
        return {name: inputs["x"].sum(axis=0, keepdims=True) for name in outputs}

    given = answers(total, [row(1), row(2), row(3)])
    assert [one.tolist() for one in given] == [[[1, 1]], [[2, 2]], [[3, 3]]] and batches == [3, 1, 1, 1]


def test_a_cancelled_request_is_not_run() -> None:
    model = Doubling()

    async def ask() -> None:
        batcher = Batcher(model, max_rows=1, max_delay=0)
        model.go.clear()
        first = asyncio.create_task(batcher.submit(row(1), ["y"], 1))
        left = asyncio.create_task(batcher.submit(row(2), ["y"], 1))
        last = asyncio.create_task(batcher.submit(row(3), ["y"], 1))
        await asyncio.sleep(0.01)
        left.cancel()
        model.go.set()
        await asyncio.gather(first, last)
        await batcher.close()

    asyncio.run(ask())
    assert model.batches == [[1], [3]]


def test_a_lone_request_waits_for_others_only_after_a_batch_of_several() -> None:
    ran: list[Ran] = []

    async def ask() -> None:
        batcher = Batcher(Doubling(), max_rows=3, max_delay=30, ran=ran.append)
        await batcher.submit(row(1), ["y"], 1)  # alone, so at once
        await asyncio.gather(*(batcher.submit(row(2), ["y"], 1) for _ in range(3)))
        waiting = asyncio.create_task(batcher.submit(row(3), ["y"], 1))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await asyncio.gather(waiting, batcher.submit(row(4, rows=2), ["y"], 2))
        await batcher.close()

    asyncio.run(ask())
    assert [one.rows for one in ran] == [1, 3, 3] and ran[2].waited[0] >= 0.05


def test_a_lone_request_runs_on_all_cores_and_several_share_them() -> None:
    all_cores, one_core = Doubling(), Doubling()

    async def ask() -> None:
        batcher = Batcher(one_core, max_rows=4, max_delay=0, instances=2, alone=all_cores)
        await batcher.submit(row(1), ["y"], 1)
        await asyncio.gather(*(batcher.submit(row(value), ["y"], 1) for value in (2, 3, 4, 5)))
        await batcher.close()

    asyncio.run(ask())
    assert all_cores.batches == [[1]]
    assert max(map(len, one_core.batches)) == 2 and sorted(value for batch in one_core.batches for value in batch) == [
        2,
        3,
        4,
        5,
    ]


@pytest.mark.parametrize("error", [RunError.of(catalogue.RUN_FAILED, "x"), MemoryError("x")])
def test_a_thread_survives_what_a_model_raises(error: Exception) -> None:
    def failing(inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        if len(inputs["x"]) > 1 or inputs["x"][0, 0] == 2:
            raise error
        return dict.fromkeys(outputs, inputs["x"])

    given = answers(failing, [row(1), row(2), row(3)])
    assert [type(one) for one in given] == [np.ndarray, type(error), np.ndarray]


@pytest.mark.parametrize("count", [1, 3])
def test_photos_in_one_batch_are_those_of_predict_bit_for_bit(model: Path, photos: list[Path], count: int) -> None:
    from resdsl.tools.serve.observe import Log, Observer, Record
    from resdsl.tools.serve.repository import Repository
    from resdsl.tools.serve.service import Service
    from resdsl.tools.serve.sources import source_of

    ran: list[int] = []

    async def ask() -> list[dict[str, Any]]:
        from resdsl.compiler.models import Build
        from resdsl.runtime.device import DeviceOptions

        options = ServeOptions(max_batch=count, max_delay_ms=30_000)
        sources = [source_of(str(model), Build(), DeviceOptions("cpu"))]
        repository = Repository(sources, options, ran=lambda _, batch: ran.append(batch.rows))
        assert not await repository.refresh()
        service = Service(repository, Observer(Log(LogFormat.JSON)), options)
        served = repository.find("net")
        zeros = {"image": np.zeros((1, 3, 16, 16), np.float32)}
        await asyncio.gather(*(served.infer(zeros, ()) for _ in range(count)))
        bodies = [photo.read_bytes() for photo in photos[:count]]
        given = await asyncio.gather(*(service.classify(served, body, 3, Record()) for body in bodies))
        await repository.close()
        service.close()
        return given

    given = asyncio.run(ask())
    assert ran == [count, count]
    # Reading takes longer or shorter, so photos may stand in the batch in another order; rows do not depend on it.
    for answer, wanted in zip(
        given, resdsl.predict(model, photos[:count], device="cpu", batch_size=count), strict=True
    ):
        assert isinstance(wanted, resdsl.Prediction)
        got = [(one["index"], one["probability"]) for one in answer["classes"]]
        assert got == [(one.index, one.probability) for one in wanted.classes]
