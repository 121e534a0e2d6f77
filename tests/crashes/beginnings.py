"""Where the lives that die begin: one history, for each role at the moment before its own part."""

from collections import defaultdict
from typing import NamedTuple

import pytest

from tests.crashes import points
from tests.crashes.history import FOLLOWERS, History
from tests.crashes.keeping import Kept, keep, names_of_tables, put_back
from tests.crashes.outcome import outcome_of, unsettled
from workers.subscriptions import SUBSCRIPTIONS


class Beginning(NamedTuple):
    """One role has everything still to do; roles before it in the map are done."""

    kept: Kept
    passed: dict[str, set[str]]
    """The points that an undisturbed run of the role passes, by tag."""
    outcome: dict
    """What that run, and everybody after it, comes to."""


class Beginnings:
    """Each is made when first asked for, and put back whenever it is asked for."""

    def __init__(self, stage):
        self.stage = stage
        self.history = History(stage.darkroom)
        self._told: Kept | None = None
        self._made: dict[str, Beginning] = {}

    async def of(self, role) -> Beginning:
        if self._told is None:
            self._told = await self._tell()
        if role not in self._made:
            self._made[role] = await self._make(role)
        await put_back(self.stage, self._made[role].kept)
        return self._made[role]

    async def _tell(self) -> Kept:
        tables = await names_of_tables(self.stage.database)
        await put_back(self.stage, Kept([], [], dict.fromkeys(tables, b""), {}, {}))
        await self.history.begin()
        await self.stage.drain()
        await self.stage.build_windows(self.history.people[each] for each in FOLLOWERS)
        await self.history.post_before()
        await self.stage.drain()
        await self.history.go_on()
        return await keep(self.stage, self.history.staged)

    async def _make(self, role) -> Beginning:
        await put_back(self.stage, self._told)
        # Renditions first: they depend on nobody, and photos are looked at where they are made.
        roles = sorted(SUBSCRIPTIONS, key=lambda each: each != "renditions")
        await self.stage.drain(roles[: roles.index(role)], to_the_end=False)
        kept = await keep(
            self.stage,
            self.history.staged if role == "renditions" else {},
            self.history.taken_back if role == "erasures" else (),
        )
        passed = await self._run(role)
        await self.stage.drain()
        assert not await unsettled(self.stage)
        return Beginning(kept, passed, await self.outcome(kept))

    async def _run(self, role) -> dict[str, set[str]]:
        passed = defaultdict(set)

        def reached(point, tags):
            for tag in tags:
                passed[tag].add(point)

        with pytest.MonkeyPatch.context() as patch:
            for kind, handler in SUBSCRIPTIONS[role].items():
                patch.setitem(SUBSCRIPTIONS[role], kind, points.watched(kind, handler))
            points.arm(patch, reached)
            await self.stage.drain([role], to_the_end=False)
        return dict(passed)

    async def outcome(self, kept: Kept) -> dict:
        return await outcome_of(self.stage, self.history.people, kept)
