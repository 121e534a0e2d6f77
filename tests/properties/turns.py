"""Coroutines that wait for their turn before each step, so that a test chooses the interleaving."""

import asyncio


class Turns:
    """What runs at the same time, of which only one ever moves: up to its next wait, or its end."""

    def __init__(self):
        self._begun = []
        self._turns = {}
        self._moved = asyncio.Event()

    def __len__(self):
        return len(self._turns)

    def subjects(self):
        """What those who have not ended are about, in the order of their beginning."""
        return [subject for task, subject in self._begun if task in self._turns]

    async def start(self, work, subject, calls=0):
        """Let it come as far as its first wait, and so many calls further."""
        self._moved.clear()
        task = asyncio.create_task(self._run(work))
        self._begun.append((task, subject))
        await self._moved.wait()
        await self._go_on(task, calls)

    async def mine(self):
        """Wait to be chosen."""
        turn = asyncio.get_running_loop().create_future()
        self._turns[asyncio.current_task()] = turn
        self._moved.set()
        await turn

    async def advance(self, which, calls=1):
        """Choose one, and return when it has made so many calls, or has ended."""
        task, _ = self._chosen(which)
        await self._go_on(task, calls)

    async def kill(self, which):
        """One of them dies where it stands; what it was about."""
        task, subject = self._chosen(which)
        self._turns.pop(task).cancel()
        await asyncio.wait([task])
        return subject

    async def _go_on(self, task, calls):
        while calls and task in self._turns:
            self._moved.clear()
            self._turns.pop(task).set_result(None)
            await self._moved.wait()
            calls -= 1
        if task.done():
            task.result()

    def _chosen(self, which):
        """Counted from the latest on: what has just begun is chosen most often."""
        self._begun = [each for each in self._begun if each[0] in self._turns]
        return self._begun[-1 - which % len(self._begun)]

    async def _run(self, work):
        try:
            return await work
        finally:
            self._moved.set()


class Slowed:
    """An object some of whose methods wait for their turn first."""

    def __init__(self, target, turns, *names):
        self._target, self._turns, self._names = target, turns, names

    def __getattr__(self, name):
        method = getattr(self._target, name)
        if name not in self._names:
            return method

        async def slowed(*arguments, **options):
            await self._turns.mine()
            return await method(*arguments, **options)

        return slowed


class SlowPool:
    """A pool of connections, for each of which one waits for one's turn."""

    def __init__(self, pool, turns):
        self._pool, self._turns = pool, turns

    def acquire(self, **options):
        return SlowAcquisition(self, options)

    async def acquired(self, options):
        await self._turns.mine()
        return await self._pool.acquire(**options)

    async def release(self, connection):
        await self._pool.release(connection)


class SlowAcquisition:
    """To be awaited, or entered, as that of any pool."""

    def __init__(self, pool, options):
        self._pool, self._options = pool, options

    def __await__(self):
        return self._pool.acquired(self._options).__await__()

    async def __aenter__(self):
        self._connection = await self
        return self._connection

    async def __aexit__(self, *_):
        await self._pool.release(self._connection)
