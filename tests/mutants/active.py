"""Mutants of what keeps active members' feeds, and of what frees everybody else's."""

from tests.mutants.mutant import Mutant

ACTIVE = (
    Mutant(
        "let pushes keep windows in a cache that is full",
        "runtime/connections.py",
        "greeting = None if for_readers else unnoticed",
        "greeting = None",
        ("tests/stores/test_feeds_active.py",),
    ),
    Mutant(
        "trim a window only when all is merged into it",
        "stores/feeds.lua",
        "local several = math.min(2 * math.max(math.floor(cap / 16), 1), MOST_UNPACKED)",
        "local several = MOST_UNPACKED",
        ("tests/stores/test_feeds_packed.py",),
    ),
    Mutant(
        "free the windows that a rebuild is writing",
        "stores/census.py",
        "return OF_NOUN[noun] if generation == present.generation else Kind.COMING",
        "return OF_NOUN[noun] if generation == present.generation else Kind.UNREAD",
        ("tests/stores/test_vacuum.py",),
    ),
    Mutant(
        "answer a page only when its window is written",
        "gateway/pulling.py",
        "    tell(pulled)\n    await keep(app, viewer_id, token, pulled)\n",
        "    await keep(app, viewer_id, token, pulled)\n    tell(pulled)\n",
        ("tests/gateway/test_feed_returning.py",),
    ),
    Mutant(
        "leave the token of a build that failed",
        "gateway/pulling.py",
        "        if token is not None:\n            with suppress(Unavailable):\n"
        "                await feeds.give_up_build(viewer_id, token)\n",
        "",
        ("tests/gateway/test_feed_returning.py",),
    ),
)
