"""Password hashes: argon2id, off the event loop, never more at once than the machine can bear."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from runtime.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

# OWASP's first choice for argon2id: 19 MiB, two passes, one lane; about 20 ms of one core.
MEMORY_KIBIBYTES = 19_456
PASSES = 2
THREADS = 2
MOST_WAITING = 64  # beyond it an answer would take longer than a client waits


class Passwords:
    """Hashes and verifies in a few threads; `close` ends them."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIBIBYTES, parallelism=1)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._busy = 0
        self._nobody = self._hasher.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        """The encoded hash, salted: another one on each call."""
        return await self._run(self._hasher.hash, password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash it is not, and takes as long to say so."""
        matches = await self._run(self._matches, encoded or self._nobody, password)
        return matches and bool(encoded)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._busy >= MOST_WAITING:
            raise Unavailable("busy", "Too many people are signing in at this moment.")
        self._busy += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
        finally:
            self._busy -= 1
