"""What the cache holds of an erased account: its window, its posts in others', its cards."""

from collections.abc import Iterable, Sequence

from stores.feed_keys import both_keys, grouped
from stores.feeds import Feeds
from stores.shelves import card_key

# A look for one post in one window takes some microseconds, and a call keeps others waiting.
LOOKS_PER_CALL = 500


async def drop_window(feeds: Feeds, viewer_id: int) -> None:
    """The account has no window, and nothing hidden from one."""
    names = await feeds.current_names()
    await feeds.trips([("drop", both_keys(names, viewer_id), [])])


async def remove_posts(feeds: Feeds, viewer_ids: Iterable[int], post_ids: Sequence[int]) -> None:
    """Take these posts, at least one, out of the windows of these viewers."""
    names = await feeds.current_names()
    windows_per_call = max(1, LOOKS_PER_CALL // len(post_ids))
    await feeds.trips(
        ("remove", windows[start : start + windows_per_call], list(post_ids))
        for windows in grouped(names, viewer_ids)
        for start in range(0, len(windows), windows_per_call)
    )


async def drop_cards(feeds: Feeds, noun: str, ids: Iterable[int]) -> None:
    """No card of these is left, to be shown or to be found; `noun` is post or author."""
    epoch = (await feeds.current_names()).epoch
    await feeds.trips(("drop", [card_key(noun, epoch, each).encode()], []) for each in ids)
