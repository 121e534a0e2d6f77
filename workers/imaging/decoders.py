"""The pool of decoder children: one photo at a time each, replaced when one dies or is worn out.

A child's death never harms its worker. The photo is tried once more in a fresh child, for the
death may have had another cause (memory short, a signal); if it fails there too, it is refused.
Only who is killed says nothing of the photo: no limit of ours kills, but a machine short of memory.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGXCPU
from types import TracebackType
from typing import Self, TypeGuard

import msgspec

from runtime.errors import Unavailable
from workers.imaging.recipe import (
    TOO_COMPLEX,
    UNDECODABLE,
    Answer,
    Failed,
    Job,
    Refused,
    Rendered,
)
from workers.imaging.scratch import Scratch

_ROOT = Path(__file__).resolve().parents[2]
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_LENGTH_BYTES = 4
_START_SECONDS = 30
_DYING_SECONDS = 5


class Decoders:
    """`count` children; each photo may take `seconds` of CPU, twice that by the clock."""

    def __init__(
        self,
        count: int = 2,
        *,
        seconds: int = 60,
        mebibytes: int = 2048,
        photos_per_child: int = 500,
    ) -> None:
        self.count = count
        # Twice as many as are decoded: others are fetched or stored meanwhile. Bounded here, for
        # each of a process's readers has a batch of its own, and all share this pool and its disk.
        self.turns = asyncio.Semaphore(2 * count)
        """For every photo that is fetched, rendered or stored."""
        self.scratch = Scratch(2 * count)
        """For the files of every post."""
        self._seconds = seconds
        self._mebibytes = mebibytes
        self._photos_per_child = photos_per_child
        self.children: set[Child] = set()
        """Every child that lives, at work or not."""
        self._places: asyncio.LifoQueue[Child | None] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        for child in await asyncio.gather(*(self._start() for _ in range(self.count))):
            self._places.put_nowait(child)
        await self.scratch.__aenter__()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for child in tuple(self.children):
            await self._end(child)
        await self.scratch.__aexit__(None, None, None)

    async def render(self, source: Path, scratch: Path) -> Rendered | Refused:
        """Write the photo's renditions into `scratch`, as `<width>.<extension>`, or say why not."""
        job = Job(source=str(source), scratch=str(scratch))
        with suppress(Died):
            answer = await self._attempt(job, fresh=False)
            if is_conclusive(answer):
                return answer
        try:
            answer = await self._attempt(job, fresh=True)
        except Died as died:
            if died.verdict is None:
                raise
            return died.verdict
        if isinstance(answer, Failed):
            raise Unavailable("decoders-unavailable", answer.detail)
        return answer

    async def _attempt(self, job: Job, *, fresh: bool) -> Answer:
        child = await self._places.get()
        try:
            if child and (fresh or child.photos >= self._photos_per_child):
                await self._end(child)
                child = None
            child = child or await self._start()
            answer = await child.ask(job, self._seconds * 2)
            if not is_conclusive(answer):
                child.photos = self._photos_per_child  # short of something: that was its last
        except BaseException:  # cancelled ones too: a child in the middle of a photo is of no use
            if child:
                await self._end(child)
                child = None
            raise
        finally:
            self._places.put_nowait(child)
        return answer

    async def _start(self) -> "Child":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "workers.imaging.child"),
            *(str(self._seconds), str(self._mebibytes)),
            stdin=PIPE,
            stdout=PIPE,
            cwd="/",
            # Nothing of ours goes along: the child reads strangers' bytes and needs no secret.
            env={"PYTHONPATH": str(_ROOT), "VIPS_CONCURRENCY": "1", "MALLOC_ARENA_MAX": "2"},
        )
        child = Child(process)
        self.children.add(child)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child.answer()
        except (TimeoutError, asyncio.IncompleteReadError):
            await self._end(child)
            raise Unavailable("decoders-unavailable", "A decoder child did not start.") from None
        return child

    async def _end(self, child: "Child") -> None:
        self.children.discard(child)
        await child.end()


def is_conclusive(answer: Answer) -> TypeGuard[Rendered | Refused]:
    """Whether the photo is the reason; a worn child may lack memory or threads, a fresh one not."""
    return not isinstance(answer, Failed) and answer != TOO_COMPLEX


class Died(Exception):
    """The child ended or was ended; `verdict` is what to say of the photo if it happens again.

    None: it was killed, by nobody of us. Then the photo may be tried later, and counted as tried.
    """

    def __init__(self, verdict: Refused | None) -> None:
        super().__init__(verdict.code if verdict else "a decoder child was killed")
        self.verdict = verdict


class Child:
    """One decoder process, its pipes, and how many photos it was given."""

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a decoder child needs both pipes")
        self.photos = 0
        self.process = process
        self._jobs = process.stdin
        self._answers = process.stdout

    async def ask(self, job: Job, seconds: float) -> Answer:
        """Have one photo rendered; `Died` when the child did instead, or took too long."""
        self.photos += 1
        frame = msgspec.msgpack.encode(job)
        try:
            async with asyncio.timeout(seconds):
                self._jobs.write(len(frame).to_bytes(_LENGTH_BYTES) + frame)
                return _ANSWERS.decode(await self.answer())
        except TimeoutError:
            raise Died(TOO_COMPLEX) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            with suppress(TimeoutError):  # unkilled, so that its exit status tells why
                async with asyncio.timeout(_DYING_SECONDS):
                    await self.process.wait()
            ends = {-SIGXCPU: TOO_COMPLEX, -SIGKILL: None}
            raise Died(ends.get(self.process.returncode or 0, UNDECODABLE)) from None

    async def answer(self) -> bytes:
        length = int.from_bytes(await self._answers.readexactly(_LENGTH_BYTES))
        return await self._answers.readexactly(length)

    async def end(self) -> None:
        """End the process, whatever it does: it keeps nothing that could be lost."""
        self._jobs.close()
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()
