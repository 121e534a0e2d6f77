"""Pages of feeds, asked of the cache by whoever has no time to wait: a call comes back instead.

Only for what nearly every read is (pages.lua); `Feeds.skeleton` is for all.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime.functions import Functions
from stores.feed_keys import all_keys, both_keys
from stores.feeds import Feeds, Place
from stores.link import Link, Then

FUNCTIONS = Functions(Path(__file__).with_name("pages.lua"))
PAGE = FUNCTIONS.name("page")
NOBODY: frozenset[int] = frozenset()
_numbers = msgspec.json.Decoder(list[int]).decode


class Found(NamedTuple):
    """What is above the floor, newest first."""

    floor: int
    ids: list[int]
    """One more than asked for where they are `timed`, if there are so many."""
    moments: list[int] | None
    """Publications of these, where the viewer follows somebody whose posts are pulled."""
    last: Place | None
    """Of those that are not timed, the last, when there are more."""
    hidden: frozenset[int]
    followed: bytes


class Pages:
    """Those of the windows that `feeds` knows."""

    def __init__(self, feeds: Feeds, link: Link) -> None:
        self._feeds, self._link = feeds, link

    def ask(
        self, viewer_id: int, before: Place | None, count: int, then: Then, *, followed: bool
    ) -> bool:
        """Have `then` called with what `found_in` reads, with None, or with an error.

        False: that cannot be asked now. `followed`: with the viewer's list of followed authors.
        """
        names = self._feeds.known_names(time.monotonic())
        if names is None:
            return False
        keys = all_keys(names, viewer_id) if followed else both_keys(names, viewer_id)
        command = ("FCALL", PAGE, len(keys), *keys, *(before or (b"", b"")), count)
        return self._link.ask(command, then)

    async def load(self) -> None:
        """Make the function known to a cache that has never heard of it; `Unavailable` if away."""
        cache, reach = self._feeds.server()
        async with reach.bounded():
            await FUNCTIONS.load(cache)


def found_in(reply: Sequence[bytes]) -> Found | None:
    """None when the order of what was found is not known: ids with more digits among others."""
    floor, hidden, followed, entries = reply[:4]
    moments, last = None, None
    ids = _numbers(b"[%b]" % entries)
    if followed and not followed.endswith(b":"):
        moments, ids = ids[::2], ids[1::2]
    if ids and len(str(min(ids))) != len(str(max(ids))):
        return None
    if len(reply) > 4:
        last = (int(reply[4]), ids[-1])
    unseen = frozenset(_numbers(b"[%b]" % hidden)) if hidden else NOBODY
    return Found(int(floor), ids, moments, last, unseen, followed)
