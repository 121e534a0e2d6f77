"""Table `replay_checkpoints` of a shadow: how far a replay has filled it. Gone before the swap."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from events.ids import Position
from events.wanted import Stream
from runtime.errors import Conflict


class Checkpoints:
    """Those of one shadow, whose schema is the pool's search path."""

    def __init__(self, database: "asyncpg.Pool[Any]", wanted: str) -> None:
        """`wanted`: the filters of the replay, which go with it to its end."""
        self._database, self._wanted = database, wanted

    async def begin(self) -> None:
        """Make the table. `Conflict` where the shadow was begun with other filters."""
        await self._database.execute(
            """
            CREATE TABLE IF NOT EXISTS replay_checkpoints (
                role       text     NOT NULL,
                topic      text     NOT NULL,
                partition  smallint NOT NULL,
                position   text     NOT NULL,   -- everything up to here is in the tables
                wanted     text     NOT NULL,   -- the filters it was read with
                PRIMARY KEY (role, topic, partition)
            )
            """
        )
        begun_with = await self._database.fetchval("SELECT min(wanted) FROM replay_checkpoints")
        if begun_with not in {None, self._wanted}:
            raise Conflict(
                "other-filters",
                f"This shadow was begun with {begun_with}, not {self._wanted}: "
                "drop it, or take another name.",
            )

    async def kept(self) -> Mapping[Stream, Position]:
        rows = await self._database.fetch(
            "SELECT role, topic, partition, position FROM replay_checkpoints"
        )
        return {
            Stream(role, topic, partition): Position.parse(position)
            for role, topic, partition, position in rows
        }

    async def keep(self, stream: Stream, position: Position) -> None:
        await self._database.execute(
            """
            INSERT INTO replay_checkpoints (role, topic, partition, position, wanted)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (role, topic, partition) DO UPDATE SET position = excluded.position
            """,
            *stream,
            str(position),
            self._wanted,
        )


class NoCheckpoints:
    """Of the site's own tables: who goes on there says from when."""

    async def kept(self) -> Mapping[Stream, Position]:
        return {}

    async def keep(self, stream: Stream, position: Position) -> None:
        """Nowhere."""
