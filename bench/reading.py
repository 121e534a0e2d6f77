"""What many members ask of the feed: who by Zipf, first pages and deeper ones four to one.

Tokens are issued with the site's own secret, as sign-ins would: ten thousand of those take an hour.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bench.members import Members, zipf
from events.ids import Position, make_id, shard_of
from gateway.cursors import encode_cursor
from gateway.tokens import Tokens
from runtime.settings import Settings
from stores.feeds import CAP, Place

PAGE = 30
PATH = "/v1/feed"
DEEPER = 0.2
FURTHER = 0.6  # of those who turn to a page, so many turn to the next
SESSION_SECONDS = 3_600
CHECKED = 100


class Asked(NamedTuple):
    """One page of somebody's feed, the request for it, and the posts that the answer must show."""

    rank: int
    page: int
    request: bytes
    post_ids: list[int]


def draw(
    settings: Settings,
    members: Members,
    ranks: Sequence[int],
    count: int,
    *,
    deeper: float = DEEPER,
    entries: int = CAP,
    seed: int = 1,
) -> list[Asked]:
    """So many requests, in the order they are sent, of members with so many entries in windows.

    Whoever stands first in `ranks` asks most.
    """
    dice = random.Random(seed)
    issue = issuer(settings)
    falling = zipf(len(ranks))
    known: dict[tuple[int, int], Asked] = {}
    feeds: dict[int, list[Place]] = {}
    asked = []
    for rank in dice.choices(ranks, cum_weights=falling, k=count):
        if rank not in feeds:
            feeds[rank] = members.feed(rank, entries)
        page = page_drawn(dice, len(feeds[rank]), deeper)
        if (rank, page) not in known:
            cursor = encode_cursor(*feeds[rank][PAGE * page - 1]) if page else ""
            shown = [post_id for _, post_id in feeds[rank][PAGE * page : PAGE * (page + 1)]]
            wanted = request(issue(members.ids[rank]), cursor)
            known[rank, page] = Asked(rank, page, wanted, shown)
        asked.append(known[rank, page])
    return asked


def page_drawn(dice: random.Random, entries: int, deeper: float) -> int:
    """0 is the first page; no page but the first stands at or below the window's floor."""
    page = 0
    deepest = (entries - 1) // PAGE - 1
    if dice.random() < deeper:
        page = 1
        while page < deepest and dice.random() < FURTHER:
            page += 1
    return min(page, max(deepest, 0))


def issuer(settings: Settings) -> Callable[[int], str]:
    """Tokens as a sign-in an hour ago would have given them, the same for a member each time."""
    tokens = Tokens(settings.secret.reveal().encode())
    opened_ms = time.time_ns() // 1_000_000 - SESSION_SECONDS * 1_000
    known: dict[int, str] = {}

    def issue(account_id: int) -> str:
        if account_id not in known:
            session_id = make_id(Position(opened_ms + len(known), 0), shard_of(account_id))
            known[account_id], _ = tokens.issue(account_id, session_id)
        return known[account_id]

    return issue


def request(token: str, cursor: str = "") -> bytes:
    target = f"{PATH}?cursor={cursor}" if cursor else PATH
    return (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\nUser-Agent: bench\r\n\r\n"
    ).encode()


def expected_of(asked: Sequence[Asked]) -> list[tuple[bytes, list[int]]]:
    """Of some of them, what `bench.answered.check` asks."""
    return [(each.request, each.post_ids) for each in asked[:: max(1, len(asked) // CHECKED)]]


def requests_of(asked: Iterable[Asked]) -> list[bytes]:
    return [each.request for each in asked]
