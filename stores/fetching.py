"""One fetch of each card at a time: of a crowd that wants the same cold ones, one asks for them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

C = TypeVar("C")
Taken = tuple[dict[int, C], bool]
"""What was had, by id, and whether that is all there is to have."""


class Fetching(Generic[C]):
    """What is being fetched in this process."""

    def __init__(self, fetch: Callable[[Sequence[int]], Awaitable[Taken[C]]]) -> None:
        self._fetch = fetch
        self._under_way: dict[int, asyncio.Task[Taken[C]]] = {}

    async def take(self, ids: Sequence[int]) -> Taken[C]:
        """All of these, each fetched now or waited for where somebody fetches it already."""
        new = [each for each in ids if each not in self._under_way]
        if new:
            task = asyncio.create_task(self._fetch_new(new), name="cards.fetch")
            self._under_way |= dict.fromkeys(new, task)
        found: dict[int, C] = {}
        complete = True
        for task in {self._under_way[each] for each in ids}:
            # Whoever leaves takes it from nobody.
            fetched, whole = await asyncio.shield(task)
            found |= {each: fetched[each] for each in ids if each in fetched}
            complete = complete and whole
        return found, complete

    async def _fetch_new(self, ids: list[int]) -> Taken[C]:
        try:
            return await self._fetch(ids)
        finally:
            for each in ids:
                del self._under_way[each]
