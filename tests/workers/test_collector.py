"""The collector as an operator has it: a table now, and a process that sees to it every day."""

import asyncio
import json
import os
import signal
import sys
import time

import pytest

from runtime.settings import Settings, variable
from runtime.shadow import drop_expired
from tests.workers.posts import jpeg
from tests.workers.storing import let_nothing_be_young, opened_site, own_bucket, pass_days
from workers.__main__ import collect_once, parser
from workers.shadowing import alone

BYTES = jpeg(3, size=(400, 300))


@pytest.fixture
async def own(settings):
    return (await own_bucket(settings)).replace(partitions=2)


@pytest.fixture
async def site(own, clean_site, monkeypatch):
    let_nothing_be_young(monkeypatch)
    async with opened_site(own) as opened:
        yield opened


async def test_an_operator_sees_what_a_pass_did_or_would_do(site, own, capsys):
    """Photos, objects and bytes of every step; a restored photo is kept, once."""

    async def told(*arguments):
        status = await collect_once(own, parser().parse_args(["collect", *arguments]))
        rows = [line.split(":")[0].split() for line in capsys.readouterr().out.splitlines()]
        return status, {row[3]: row[:3] for row in rows if len(row) == 4}

    photo = await site.leave_unshown(BYTES)
    size = await site.database.fetchval("SELECT bytes FROM storage.ledger")
    found = ["1", "4", f"{size:,}"]

    status, would = await told("--dry-run")
    assert (status, would["due"], would["referenced"]) == (0, found, ["0", "0", "0"])
    assert "swept" not in would

    assert (await told("--restore", photo))[0] == 0
    assert (await told("--restore", photo))[0] == 1
    assert (await told())[1]["kept"] == found

    await pass_days(site.database, 31)
    assert (await told())[1]["marked"] == found
    await pass_days(site.database, 8)
    status, did = await told()
    assert (status, did["swept"]) == (0, found)
    assert size == await site.database.fetchval(
        "SELECT max((tally -> 'bytes' -> 'swept')::bigint) FROM storage.passes"
    )


@pytest.mark.parametrize("wrong", [["--restore", "../x"], ["--dry-run", "--daily"], ["--soon"]])
def test_a_wrong_command_is_refused_before_anything_is_done(wrong, capsys):
    """With what would be right."""
    with pytest.raises(SystemExit) as refused:
        parser().parse_args(["collect", *wrong])

    assert refused.value.code == 2
    assert "usage: python -m workers" in capsys.readouterr().err


async def test_a_site_is_collected_every_day_without_anybody_thinking_of_it(site, own):
    """The process makes a pass as soon as the last one is a day old, and ends when told."""
    await site.leave_unshown(BYTES)
    await site.database.execute("UPDATE storage.passes SET ended_at = ended_at - interval '25 h'")
    environment = {variable(name): str(getattr(own, name)) for name in Settings.__struct_fields__}
    environment["HELIOGRAPH_SECRET"] = own.secret.reveal()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers", "collect", "--daily"),
        env=os.environ | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            async for line in process.stderr:
                if b"photos.collected" in line:
                    break
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert json.loads(line)["young_photos"] == 1
    assert await site.database.fetchval("SELECT count(*) FROM storage.passes") == 2


async def test_tables_that_were_swapped_away_go_after_a_week(settings, database):
    """So do shadows. They hold what people have erased since; no other schema goes with them."""
    week_ms, now_ms = 7 * 86_400_000, int(time.time() * 1000)
    old, young, other, shadow, busy = (
        f"heliograph_old_{now_ms - week_ms - 60_000}",
        f"heliograph_old_{now_ms - week_ms + 60_000}",
        "heliographic",
        "heliograph_look",
        "heliograph_next",
    )
    try:
        for each in (old, young, other, shadow, busy):
            await database.execute(f"CREATE SCHEMA {each} CREATE TABLE words (word text)")
        for each in (shadow, busy):
            await database.execute(f"COMMENT ON SCHEMA {each} IS 'made at 1767225600000'")

        async with alone(settings, busy):
            assert sorted(await drop_expired(database)) == sorted([old, shadow])
            assert await drop_expired(database) == []
        for each, stays in (
            (old, False),
            (shadow, False),
            (young, True),
            (other, True),
            (busy, True),
        ):
            name = f"{each}.words"
            assert await database.fetchval("SELECT to_regclass($1) IS NOT NULL", name) is stays
    finally:
        for each in (old, young, other, shadow, busy):
            await database.execute(f"DROP SCHEMA IF EXISTS {each} CASCADE")
