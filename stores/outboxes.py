"""Outboxes in the cache: what of each author's posts is pulled, and what readers need to find it.

An outbox is a window of its author's pulled posts and has the functions of one (feeds.lua). Beside
them stand the roll of all authors who have any, and for each viewer a list of those on it whom the
viewer follows (outboxes.lua). All are built of Postgres under a token, and lost without harm.
"""

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from runtime.functions import Functions
from stores.feed_keys import list_key, outbox_keys
from stores.feeds import BUILD_SECONDS, FUNCTIONS, TRIPS_SECONDS, Feeds, Place
from stores.slices import Slice, flat_of, slice_of

ROLL_FUNCTIONS = Functions(Path(__file__).with_name("outboxes.lua"))

LIST_SECONDS = 30 * 86_400
_numbers = msgspec.json.Decoder(list[int]).decode


class Roll(NamedTuple):
    """All authors who have pulled posts, as of one change of it."""

    id: bytes
    seq: int
    newest: int
    """The change at which somebody last joined: a list as of then or later names all."""
    changed: dict[int, int]
    """Author → the change at which their outbox was last written to."""
    joined: dict[int, int]


class Outboxes:
    """Those of one cache, under the names of its feeds. `Unavailable` when the cache is away."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    async def push(self, author_id: int, places: Iterable[Place]) -> None:
        """Put pulled posts into their author's outbox, and say so on the roll.

        After their rows are committed and `Feeds.refresh`: what is absent is built of those rows.
        """
        names = await self._feeds.current_names()
        [outbox, _] = outbox_keys(names, author_id)
        await self._all(
            FUNCTIONS,
            [("push", [outbox], [self._feeds.cap, *each]) for each in places],
            TRIPS_SECONDS,
        )
        await self._one(ROLL_FUNCTIONS, "enter", [names.roll], [author_id], TRIPS_SECONDS)

    async def drop(self, account_id: int) -> None:
        """Nothing is left of the account: no outbox, no place on the roll, no list of its own."""
        names = await self._feeds.current_names()
        [outbox, _] = outbox_keys(names, account_id)
        keys = [outbox, list_key(names, account_id)]
        await self._one(FUNCTIONS, "drop", keys, [], TRIPS_SECONDS)
        await self._one(ROLL_FUNCTIONS, "leave", [names.roll], [account_id], TRIPS_SECONDS)

    async def slices(self, author_ids: Sequence[int]) -> list[Slice | None]:
        """Whole outboxes, newest first; None: absent, ask Postgres."""
        names = await self._feeds.current_names()
        most = 2 * self._feeds.cap
        arguments = [b"", b"", most]
        replies = await self._all(
            FUNCTIONS, [("skeleton", outbox_keys(names, each), arguments) for each in author_ids]
        )
        return [None if each is None else slice_of(each, most) for each in replies]

    async def begin_build(self, author_id: int) -> str | None:
        """As of `Feeds`: a token, in place before Postgres is read."""
        token = secrets.token_hex(8)
        keys = outbox_keys(await self._feeds.current_names(), author_id)
        begun = await self._one(FUNCTIONS, "begin_build", keys, [token, BUILD_SECONDS])
        return token if begun else None

    async def finish_build(
        self, author_id: int, token: str, entries: Sequence[Place], floor: int
    ) -> None:
        """Make an outbox of what was read and what was pushed meanwhile, if the token stands."""
        [outbox, _] = outbox_keys(await self._feeds.current_names(), author_id)
        arguments = [token, floor, self._feeds.cap, *flat_of(entries)]
        await self._one(FUNCTIONS, "merge", [outbox], arguments)

    async def roll(self, known: Roll | None) -> Roll | None:
        """The roll, the known one itself when nothing has changed; None: to be made of Postgres."""
        names = await self._feeds.current_names()
        arguments = [known.id, known.seq] if known else [b"", b""]
        reply = await self._one(ROLL_FUNCTIONS, "roll", [names.roll], arguments)
        if reply is None or reply == []:
            return known if reply == [] else None
        flat = _numbers(b"[%b]" % reply[2])
        authors, joined, changed = flat[::3], flat[1::3], flat[2::3]
        return Roll(
            reply[0],
            int(reply[1]),
            max(joined, default=0),
            dict(zip(authors, changed, strict=True)),
            dict(zip(authors, joined, strict=True)),
        )

    async def begin_roll(self) -> str | None:
        """A token, in place before Postgres is asked; None when somebody else makes the roll."""
        token = secrets.token_hex(8)
        names = await self._feeds.current_names()
        begun = await self._one(ROLL_FUNCTIONS, "begin_roll", [names.roll], [token, BUILD_SECONDS])
        return token if begun else None

    async def finish_roll(self, token: str, author_ids: Sequence[int]) -> None:
        names = await self._feeds.current_names()
        await self._one(ROLL_FUNCTIONS, "finish_roll", [names.roll], [token, *author_ids])

    async def begin_list(self, viewer_id: int, known: bytes) -> str | None:
        """A token to write the viewer's list under; None when it is not what was read any more."""
        token = secrets.token_hex(8)
        key = list_key(await self._feeds.current_names(), viewer_id)
        begun = await self._one(ROLL_FUNCTIONS, "begin_list", [key], [known, token, BUILD_SECONDS])
        return token if begun else None

    async def finish_list(
        self, viewer_id: int, token: str, roll: Roll, author_ids: Sequence[int]
    ) -> None:
        """Keep what Postgres said of everybody on this roll, unless a follow changed meanwhile."""
        text = b"%b.%d:%b" % (roll.id, roll.seq, b",".join(b"%d" % each for each in author_ids))
        key = list_key(await self._feeds.current_names(), viewer_id)
        await self._one(ROLL_FUNCTIONS, "finish_list", [key], [token, text, LIST_SECONDS])

    async def forget_lists(self, viewer_ids: Iterable[int]) -> None:
        """A follow of theirs has changed, and is committed: what was read before does not count."""
        names = await self._feeds.current_names()
        await self._all(
            FUNCTIONS,
            [("drop", [list_key(names, each)], []) for each in viewer_ids],
            TRIPS_SECONDS,
        )

    async def _one(
        self,
        functions: Functions,
        function: str,
        keys: list[bytes],
        arguments: list[Any],
        seconds: float | None = None,
    ) -> Any:
        [reply] = await self._all(functions, [(function, keys, arguments)], seconds)
        return reply

    async def _all(
        self,
        functions: Functions,
        calls: Sequence[tuple[str, list[bytes], list[Any]]],
        seconds: float | None = None,
    ) -> list[Any]:
        cache, reach = self._feeds.server()
        async with reach.bounded(seconds):
            return await functions.call_all(cache, calls)


def listed(text: bytes, roll: Roll) -> tuple[int, list[int]]:
    """As of which change of this roll a list is, and whom it names; 0 when of another, or none."""
    head, _, tail = text.partition(b":")
    roll_id, _, seq = head.partition(b".")
    if roll_id != roll.id or not seq:
        return 0, []
    return int(seq), _numbers(b"[%b]" % tail)
