"""Write the results of images to a folder of partitions, on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Unpack

from resdsl.ray.cluster import Cluster, Copies, connected, copies_on
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile
from resdsl.runtime.parts import parts_of
from resdsl.runtime.rows import PredictOptions, classifier_of
from resdsl.runtime.session import Session
from resdsl.runtime.sources import Source
from resdsl.runtime.stores import is_address, plain
from resdsl.tools.predict.partitions import Done, Partition, PartitionFolder, PredictJob, digits, kind_of
from resdsl.tools.predict.resumable import digest_of
from resdsl.tools.predict.written import Written


def write_on_cluster(
    target: str,
    session: Session,
    model: Path,
    images: Source | Iterable[Source],
    cluster: Cluster,
    *,
    device: DeviceOptions,
    format: str | None = None,
    resume: bool = False,
    begin: Callable[[Copies], None] = lambda _copies: None,
    each: Callable[[Done, int, int | None], None] = lambda _done, _images, _total: None,
    **options: Unpack[PredictOptions],
) -> Written:
    """Write the results of ``predict`` to the folder ``target``, a path or an address in a store, on ``cluster``.

    ``session`` is one of ``model`` on this machine, to check the options with. Partitions hold ``cluster.partition``
    images in input order, and their rows are those of a run without a cluster. ``begin`` gets the copies of the model
    that run, ``each`` each partition that is complete, the images so far, and their total if it is known.

    Raises ``RunError`` if ``target`` has other results, ``UnavailableError`` if the cluster or a store fails.
    """
    from resdsl.ray.job import run_tasks  # loads Ray

    kind = kind_of(target, format)
    path = plain(target) if is_address(target) else Path(target)
    classifier = classifier_of(session, options)
    batch = max(classifier.batch_size(options.get("batch_size", 8)) // classifier.views, 1)
    size = -(-cluster.partition // batch) * batch
    settings = [options.get(name) for name in ("output", "pool", "crops", "scales", "max_pixels", "column", "top")]
    digest = digits(digest_of(model, kind, *settings), size, batch)
    folder = PartitionFolder(target, kind)
    complete, whole = folder.earlier(digest, resume=resume)
    if whole is not None:
        return Written(path, kind, whole.images, whole.failed, whole.images)
    earlier: list[str] = []
    total: int | None = 0

    def remaining() -> Iterator[Partition]:
        nonlocal total
        parts = parts_of(images, size, null=options.get("null", False), column=options.get("column"))
        for number, part in enumerate(parts):
            partition = Partition(number, part)
            count = part.count()
            total = None if total is None or count is None else total + count
            if folder.has(partition, complete):
                earlier.append(partition.file(kind))
            else:
                yield partition

    # The first images are found now: a run that cannot start leaves no folder.
    tasks = remaining()
    first = next(tasks, None)
    with connected(cluster):
        copies = copies_on(cluster, device)
        complete, _ = folder.begin(digest, resume=resume)
        begin(copies)
        options["readers"] = options.get("readers") or copies.threads
        job = PredictJob(folder, options)
        results = run_tasks(chain([first] if first else [], tasks), job, ModelFile(session.name, model), copies)
        images_done = failed = 0
        for count in folder.counts(earlier):
            images_done, failed = images_done + count.images, failed + count.failed
        resumed = images_done
        with closing(results):
            for result in results:
                images_done, failed = images_done + result.images, failed + result.failed
                each(result, images_done, total)
        folder.end(digest, Done(images_done, failed))
    return Written(path, kind, images_done, failed, resumed)
