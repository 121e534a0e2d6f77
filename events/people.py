"""Accounts as operators name them, and names for ids: asked of the log, without Postgres."""

from events.accounts import AccountRegistered
from events.entries import PAYLOAD
from events.ids import MAX_ID, Address, position_before, position_of, shard_of
from events.legible import half
from events.log import Log
from events.past import Past
from runtime.errors import NotFound

MOST_REMEMBERED = 10_000


class People:
    """Remembers the names it has looked up: an account keeps its name for life."""

    def __init__(self, log: Log, past: Past | None = None) -> None:
        """With `past`, also names whose registration only the archive still has."""
        self._log, self._past = log, past
        self._names: dict[int, str] = {}

    async def find(self, text: str) -> int:
        """The id behind a username, `@username` or id; `NotFound` for a name nobody has.

        A name of digits alone is taken for a name where somebody has it.
        """
        username = text.removeprefix("@")
        if account_id := await self._log.resolve(username):
            self._names[account_id] = username.lower()
            return account_id
        if username == text and text.isascii() and text.isdigit() and int(text) <= MAX_ID:
            return int(text)
        raise NotFound("no-such-account", f"Nobody here is called {username!r}.")

    async def name_of(self, account_id: int) -> str:
        """The username; empty where the stream no longer has the registration."""
        if account_id not in self._names:
            if len(self._names) >= MOST_REMEMBERED:
                self._names.clear()
            self._names[account_id] = await self._look_up(account_id)
        return self._names[account_id]

    async def called(self, account_id: int | None) -> str:
        """`ada (284...)`, or the id alone."""
        if account_id is None:
            return "unknown"
        name = await self.name_of(account_id)
        return f"{name} ({account_id})" if name else str(account_id)

    async def _look_up(self, account_id: int) -> str:
        partition = shard_of(account_id) % self._log.partitions
        topic, position = AccountRegistered.TOPIC, position_of(account_id)
        if self._past:
            found = await self._past.at(Address(topic, partition, position))
            entries = [found.entry] if found else []
        else:
            entries = await self._log.page(topic, partition, position_before(position), position, 1)
        payload = half(entries[0][1].get(PAYLOAD, b"")) if entries else {}
        return str(payload.get("username", ""))
