"""The models that are served now. A new version is loaded beside the old one, and takes over between two requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from resdsl.diagnostics import ResdslError
from resdsl.runtime.processor import processor
from resdsl.tools.serve.batcher import Batcher, Ran
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.tools.serve.options import ServeOptions
from resdsl.tools.serve.served import Loaded, Served
from resdsl.tools.serve.sources import Offer, Source, Stamp
from resdsl.untrusted import bounded_int, printable

Key = tuple[str, int]


class Repository:
    """Versions by the names of models. ``changed`` is called with what happened to one, ``ran`` for each batch.

    All methods belong to the event loop.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        options: ServeOptions,
        *,
        changed: Callable[[str, str, int, ResdslError | None], None] = lambda *_: None,
        ran: Callable[[str, Ran], None] = lambda *_: None,
    ) -> None:
        self._sources = sources
        self._options = options
        self._changed = changed
        self._ran = ran
        self._served: dict[Key, Served] = {}
        self._stamps: dict[Key, Stamp] = {}
        self._failed: dict[Key, Stamp] = {}
        self._seen: dict[Key, Stamp] = {}
        self._refreshing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    def find(self, name: str, version: str = "") -> Served:
        """The version, by default the newest. Raises ``Refusal``."""
        versions = {key[1]: one for key, one in self._served.items() if key[0] == name}
        if not versions:
            names = ", ".join(self.names) or "none yet"
            raise Refusal(
                Reason.NOT_FOUND, f"there is no model `{printable(name)}`", helps=(f"the models are {names}",)
            )
        number = bounded_int(version) if version else max(versions)
        if number not in versions:
            there = ", ".join(map(str, sorted(versions)))
            raise Refusal(
                Reason.NOT_FOUND,
                f"`{name}` has no version `{printable(version)}`",
                helps=(f"its versions are {there}",),
            )
        return versions[number]

    @property
    def names(self) -> list[str]:
        return sorted({name for name, _ in self._served})

    def versions(self, name: str) -> list[int]:
        return sorted(version for known, version in self._served if known == name)

    def __iter__(self) -> Iterator[Served]:
        return iter(sorted(self._served.values(), key=lambda one: (one.name, one.version)))

    async def refresh(self, *, settled: bool = False) -> list[ResdslError]:
        """Load what is new, retire what is gone, and give the errors of what cannot be loaded.

        With ``settled`` files are loaded once they have been the same in two calls: another program may be writing
        them. A version that cannot be loaded replaces nothing, and is tried again when its files change.
        """
        async with self._refreshing:
            offers = await asyncio.to_thread(self._offers)
            errors = []
            for key, offer in offers.items():
                if offer.stamp in (self._stamps.get(key), self._failed.get(key)):
                    continue
                if settled and self._seen.get(key) != offer.stamp:
                    continue
                error = await self._load(key, offer)
                if error is not None:
                    errors.append(error)
            self._seen = {key: offer.stamp for key, offer in offers.items()}
            self._failed = {key: stamp for key, stamp in self._failed.items() if key in offers}
            for key in [key for key in self._served if key not in offers and self._may_go(key, offers)]:
                self._retire(key)
            return errors

    def _offers(self) -> dict[Key, Offer]:
        """The newest versions that the sources have now; the first source of a name has it."""
        found: dict[str, Mapping[int, Offer]] = {}
        for source in self._sources:
            for name, versions in source.scan().items():
                found.setdefault(name, versions)
        return {
            (name, version): versions[version]
            for name, versions in found.items()
            for version in sorted(versions)[-self._options.versions :]
        }

    def _may_go(self, key: Key, offers: Mapping[Key, Offer]) -> bool:
        """Whether a version that is not offered is not the last one that can run while its successor cannot."""
        successors = [other for other in offers if other[0] == key[0]]
        return not successors or any(other in self._served for other in successors)

    async def _load(self, key: Key, offer: Offer) -> ResdslError | None:
        name, version = key
        try:
            loaded, most = await asyncio.to_thread(self._loaded, offer)
        except ResdslError as error:
            self._failed[key] = offer.stamp
            self._changed("failed", name, version, error)
            return error
        options, beside = self._options, loaded.one_thread is not None
        batcher = Batcher(
            loaded.run_beside if beside else loaded.run,
            max_rows=most,
            max_delay=loaded.delay(options) / 1000,
            # One more than there are cores: a thread that has run a batch waits for the interpreter now and then.
            instances=processor().threads + 1 if beside else options.instances or 1,
            joins=loaded.open_batch or loaded.fixed_batch is not None,
            fixed=loaded.fixed_batch,
            alone=loaded.run if beside else None,
            ran=lambda ran: self._ran(name, ran),
        )
        old = self._served.get(key)
        self._served[key] = Served(name, version, loaded, batcher, options.max_batch)
        self._stamps[key] = offer.stamp
        self._changed("loaded", name, version, None)
        if old is not None:
            self._close(old)
        return None

    def _loaded(self, offer: Offer) -> tuple[Loaded, int]:
        loaded = Loaded.of(offer.open(), self._options)
        return loaded, loaded.warm_up(self._options.max_batch)

    def _retire(self, key: Key) -> None:
        del self._stamps[key]
        self._close(self._served.pop(key))
        self._changed("retired", *key, None)

    def _close(self, served: Served) -> None:
        task = asyncio.create_task(served.retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """Retire all, whose requests are answered first."""
        for key in list(self._served):
            self._retire(key)
        await asyncio.gather(*self._retiring)
