"""Mutants of feeds: windows, outboxes, and what is shown of them."""

from tests.mutants.mutant import Mutant

FEEDS = (
    Mutant(
        "no floor check on push",
        "stores/feeds.lua",
        "        elseif moment > tonumber(floor) then\n            -- LT",
        "        elseif floor then\n            -- LT",
        ("tests/stores/test_pushes.py",),
    ),
    Mutant(
        "push without looking who has left meanwhile",
        "workers/pushing.py",
        "    if now != follower_ids and (left := ",
        "    if not follower_ids and (left := ",
        ("tests/workers/test_pushing.py", "tests/workers/test_fanout_orders.py"),
    ),
    Mutant(
        "build a window from a stale snapshot",
        "gateway/pulling.py",
        "    token = None\n"
        "    with suppress(Unavailable):\n"
        "        token = await app[FEEDS].begin_build(viewer_id)\n"
        "    pulled = await newest(app, viewer_id, token)\n",
        "    pulled = await newest(app, viewer_id, token)\n"
        "    token = None\n"
        "    with suppress(Unavailable):\n"
        "        token = await app[FEEDS].begin_build(viewer_id)\n",
        ("tests/gateway/test_feed_building.py",),
    ),
    Mutant(
        "show what was written from a card that is forgotten",
        "gateway/written.py",
        "cards.when_forgotten(self.posts.drop, self._make_old)",
        "cards.when_forgotten(self.posts.drop, id)",
        ("tests/gateway/test_express_hiding.py",),
    ),
    Mutant(
        "let a later planner decide otherwise",
        "stores/pulled_posts.py",
        "SET pulled = coalesce(p.pulled, $3)",
        "SET pulled = $3",
        ("tests/stores/test_pulled_posts.py",),
    ),
    Mutant(
        "keep the lists of who has left",
        "workers/reflecting.py",
        "        await site.outboxes.forget_lists({follower_id for follower_id, _ in rows})\n",
        "",
        ("tests/gateway/test_outboxes_hiding.py", "tests/properties/test_outboxes_model.py"),
    ),
    Mutant(
        "believe a list that was read before a follow changed",
        "stores/outboxes.lua",
        "    if redis.pcall('GET', keys[1]) ~= 'building:' .. args[1] then return 0 end\n",
        "",
        ("tests/stores/test_outboxes.py",),
    ),
    Mutant(
        "tell no gateway that an outbox has changed",
        "stores/outboxes.py",
        'await self._one(ROLL_FUNCTIONS, "enter", [names.roll], [author_id], TRIPS_SECONDS)',
        "pass",
        ("tests/stores/test_outboxes.py", "tests/properties/test_outboxes_model.py"),
    ),
    Mutant(
        "remember an outbox for ever",
        "gateway/outboxes.py",
        "if box is None or box.roll_id != roll.id or box.changed < roll.changed[author_id]:",
        "if box is None:",
        ("tests/gateway/test_outboxes.py", "tests/properties/test_outboxes_model.py"),
    ),
    Mutant(
        "take an outbox's floor for its end",
        "gateway/timelines.py",
        "    floor = max(line.floor, window.floor)\n",
        "    floor = window.floor\n",
        ("tests/gateway/test_merging.py",),
    ),
    Mutant(
        "page by what outboxes held before",
        "gateway/outboxes.py",
        "if line is not None and line.roll is roll:",
        "if line is not None:",
        ("tests/gateway/test_merging.py", "tests/properties/test_outboxes_model.py"),
    ),
    Mutant(
        "look for pulled posts on the roll of before they came",
        "gateway/outboxes.py",
        "    if as_of >= roll.newest or",
        "    if as_of or",
        ("tests/gateway/test_outboxes.py", "tests/properties/test_outboxes_model.py"),
    ),
    Mutant(
        "show pages out of memory without asking who was left",
        "gateway/memory.py",
        "    careful = bool(hidden) or notices.has_edges(viewer_id)\n",
        "    careful = bool(hidden)\n",
        ("tests/gateway/test_express_hiding.py",),
    ),
    Mutant(
        "let private posts out of memory to whoever asks",
        "gateway/memory.py",
        "        if careful or author.private:\n",
        "        if careful:\n",
        ("tests/gateway/test_express_hiding.py",),
    ),
    Mutant(
        "read on while a page is on its way",
        "gateway/connections.py",
        "        if self._on_its_way:\n            self._came_after += data\n",
        "        if False:\n            self._came_after += data\n",
        ("tests/gateway/test_connections.py",),
    ),
    Mutant(
        "forget a page whose cache was lost",
        "gateway/connections.py",
        "            self._waiter.set_result(None)\n        else:\n",
        "            pass\n        else:\n",
        ("tests/gateway/test_connections.py",),
    ),
)
