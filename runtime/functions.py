"""Server-side functions: a .lua file becomes a library whose name carries its own digest.

Old and new processes therefore never replace each other's functions during an upgrade.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

Client = Any
"""A redis.asyncio client. Its annotations call every reply str, bytes or None; ours are bytes."""


class Functions:
    """The functions of one .lua file. `$VERSION` in the file stands for its digest."""

    def __init__(self, path: Path) -> None:
        source = path.read_text(encoding="utf-8")
        self.version = hashlib.sha256(source.encode()).hexdigest()[:12]
        self.source = source.replace("$VERSION", self.version)

    def name(self, function: str) -> str:
        """The function's name on the server."""
        return f"{function}_{self.version}"

    async def load(self, client: Client) -> None:
        """Make the functions known to the server; harmless when they are."""
        await client.function_load(self.source, replace=True)

    async def call(
        self, client: Client, function: str, keys: list[Any], arguments: list[Any]
    ) -> Any:
        """Call one function, loading the library first where the server does not know it."""
        command = ("FCALL", self.name(function), len(keys), *keys, *arguments)
        try:
            return await client.execute_command(*command)
        except ResponseError as error:
            if not is_unknown_function(error):
                raise
        await self.load(client)
        return await client.execute_command(*command)

    async def call_all(
        self, client: Client, calls: Sequence[tuple[str, list[Any], list[Any]]]
    ) -> list[Any]:
        """Many calls in one trip, as (function, keys, arguments); each may be repeated."""
        replies = await self._trip(client, calls)
        if any(isinstance(each, ResponseError) and is_unknown_function(each) for each in replies):
            await self.load(client)
            replies = await self._trip(client, calls)
        for each in replies:
            if isinstance(each, Exception):
                raise each
        return replies

    async def _trip(
        self, client: Client, calls: Sequence[tuple[str, list[Any], list[Any]]]
    ) -> list[Any]:
        async with client.pipeline(transaction=False) as pipeline:
            for function, keys, arguments in calls:
                command = ("FCALL", self.name(function), len(keys), *keys, *arguments)
                pipeline.execute_command(*command)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies


def is_unknown_function(error: Exception) -> bool:
    """Whether the server lacks the library, as after a fail-over to one that never had it."""
    return "Function not found" in str(error)
