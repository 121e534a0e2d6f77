"""What could be broken without anybody noticing, if it were not for a test: one change each.

`make mutants` breaks one at a time in a copy of the tree and tells which test notices.
"""

from tests.mutants.active import ACTIVE
from tests.mutants.feeds import FEEDS
from tests.mutants.mutant import Mutant


def death(case: str) -> str:
    return f"tests/crashes/test_crash_points.py::test_a_death_leaves_no_trace[{case}]"


def repeat(case: str) -> str:
    test = "test_a_command_repeated_after_a_death_counts_once"
    return f"tests/crashes/test_gateway_commands.py::{test}[{case}]"


MUTANTS = (
    *FEEDS,
    *ACTIVE,
    Mutant(
        "acknowledge before the commit",
        "events/consumer.py",
        "            outcomes = await attempt(handler, self.site, batch)\n",
        "            ids = [str(each.position).encode() for each in batch]\n"
        "            await self.log.client.xack(self.claims.stream, self.claims.group, *ids)\n"
        "            outcomes = await attempt(handler, self.site, batch)\n",
        (death("posts post.submitted before-commit"),),
    ),
    Mutant(
        "skip the version check",
        "stores/profiles.py",
        " AND new.version > a.bio_version",
        "",
        ("tests/workers/test_accounts.py",),
    ),
    Mutant(
        "one version a row instead of one a register",
        "stores/profiles.py",
        "new.version > a.private_version",
        "new.version > GREATEST(a.private_version, a.bio_version, a.display_name_version)",
        ("tests/workers/test_accounts.py",),
    ),
    Mutant(
        "trim by length",
        "events/trimming.lua",
        "    trim_around(keys[1], redis.call('ZRANGE', keys[3], 0, -1), bound)\n",
        "    redis.call('XTRIM', keys[1], 'MAXLEN', 1)\n",
        ("tests/events/test_lag.py",),
    ),
    Mutant(
        "trim notices that somebody has not applied",
        "events/trimming.lua",
        "            if first and is_before(first, bound) then bound = first end\n",
        "",
        ("tests/events/test_lag.py",),
    ),
    Mutant(
        "appendfsync no",
        "runtime/engines/valkey.py",
        "appendfsync always",
        "appendfsync no",
        ("tests/runtime/test_engines.py::test_the_log_is_on_disk_before_it_answers",),
    ),
    Mutant(
        "believe a log that has appendfsync no",
        "runtime/engine_checks.py",
        '"appendfsync": "always", ',
        "",
        ("tests/runtime/test_health.py::test_a_log_that_could_lose_events_is_refused",),
    ),
    Mutant(
        "backfill before the follow is committed",
        "workers/fanout.py",
        "        if edge not in rows or not is_judged(rows[edge], each)\n",
        "        if edge is None\n",
        ("tests/workers/test_fanout_orders.py", "tests/workers/test_fanout.py"),
    ),
    Mutant(
        "read followers before the post is committed",
        "workers/fanout.py",
        "        if row is None or not is_folded(row, each):\n",
        "        if row is None:\n",
        ("tests/workers/test_fanout.py",),
    ),
    Mutant(
        "bury without acknowledging",
        "events/dead_letters.lua",
        "    redis.call('XACK', keys[4], group, entry_id)\n",
        "",
        ("tests/events/test_consumer.py",),
    ),
    Mutant(
        "let a worker that was frozen bury what another has",
        "events/dead_letters.lua",
        "if #redis.call('XPENDING', keys[4], group, entry_id, entry_id, 1, consumer) == 0 then",
        "if false then",
        ("tests/events/test_frozen.py",),
    ),
    Mutant(
        "record no idempotency key",
        "events/log.lua",
        "    redis.call('SET', keys[3], args[1] .. ' ' .. position .. ' ' .. args[3], "
        "'EX', args[4])\n",
        "",
        (repeat("POST /v1/posts-after-append"),),
    ),
    Mutant(
        "announce anew after a death",
        "events/log.py",
        "            idempotency=announcement_key(type(event), actor, cause, part),\n",
        "            idempotency=minted(actor),\n",
        (death("renditions post.submitted after-append"),),
    ),
    Mutant(
        "forget at a restart what one holds",
        "events/claims.py",
        "        self._recovered = False\n        self._reclaim_at",
        "        self._recovered = True\n        self._reclaim_at",
        (death("graph follow.requested before-ack"), "tests/events/test_claims.py"),
    ),
    Mutant(
        "count a renewal as a delivery",
        "events/log.lua",
        "        ours[#ours + 1] = 'JUSTID'\n        redis.call('XCLAIM', keys[1], args[1], "
        "args[2], 0, unpack(ours))\n    end\n    return lost\n",
        "        redis.call('XCLAIM', keys[1], args[1], args[2], 0, unpack(ours))\n"
        "    end\n    return lost\n",
        ("tests/events/test_claims.py",),
    ),
    Mutant(
        "collect photos that a post still shows",
        "stores/ledger.py",
        "SELECT FROM photo_references AS r WHERE r.sha256 = l.sha256",
        "SELECT FROM photo_references AS r WHERE false",
        ("tests/workers/test_collecting.py",),
    ),
    Mutant(
        "collect photos without a quarantine",
        "stores/ledger.py",
        "QUARANTINE = timedelta(days=7)",
        "QUARANTINE = timedelta(0)",
        ("tests/workers/test_collecting.py",),
    ),
    Mutant(
        "trim what is not archived yet",
        "events/trimming.lua",
        "    local bound, stops = string.format('%.0f-%.0f', ms, sequence + 1), 'archive'\n",
        "    local bound, stops = string.format('%.0f-%.0f', ms + 1e9, sequence), 'archive'\n",
        ("tests/events/test_trimming_topics.py",),
    ),
    Mutant(
        "archive on behind a gap",
        "workers/archiving.py",
        "        if fault := first_fault(entries, shelf.last, exact=True):\n",
        "        if fault := first_fault([], shelf.last, exact=True):\n",
        ("tests/workers/archive/test_archiving.py",),
    ),
    Mutant(
        "adopt a segment without a look at what it follows",
        "stores/archive.py",
        "            manifest = await self.adopt(topic, partition, first, after=manifest.after)\n",
        "            manifest = await self.adopt(topic, partition, first)\n",
        ("tests/stores/test_archive.py",),
    ),
    Mutant(
        "let an erased account go on in clear",
        "events/log.lua",
        "    if args[8] ~= '' and redis.call('HEXISTS', keys[6], args[8]) == 0 then",
        "    if false then",
        ("tests/events/test_erasure.py",),
    ),
    Mutant(
        "leave words in a post that is folded after the erasure",
        "workers/posts.py",
        "            await _erase(db, [each.id for each in ready])\n",
        "",
        ("tests/workers/test_erased_rows.py",),
    ),
    Mutant(
        "copy a key that was destroyed meanwhile",
        "workers/accounts.py",
        "        await erasures.destroy_account_keys(site.database, gone)\n",
        "        pass\n",
        ("tests/workers/test_erased_rows.py",),
    ),
    Mutant(
        "wait a day with what an erased account showed",
        "stores/ledger.py",
        "                    WHEN g.erased                             THEN 'due'\n",
        "",
        ("tests/workers/test_erasures.py",),
    ),
    Mutant(
        "show an erased account until its row is written",
        "gateway/visibility.py",
        "account.erased or notices.is_erased(account.id)",
        "account.erased",
        ("tests/gateway/test_erasure.py",),
    ),
    Mutant(
        "quote rows in dead letters",
        "events/concealing.py",
        "            each.detail = None\n",
        "            pass\n",
        ("tests/events/test_concealing.py",),
    ),
)
