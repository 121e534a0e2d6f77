"""Backups, restores and returns that are broken off leave no half of anything that is believed."""

import json
import os
import time

import pytest

from events.accounts import AccountErased
from events.ids import position_of, shard_of
from events.trimming import holds_key
from runtime.errors import Unavailable
from runtime.prepare import begin_log, begin_tables
from runtime.site_record import OtherSite
from tests.backups.facts import facts_of
from workers.backup import making, restoring
from workers.backup.folder import backups_in


@pytest.fixture
def break_off(monkeypatch):
    """Have object storage go away when so many partitions are back."""

    def break_off(after):
        whole, came = restoring.bring_back, []

        async def bring_back(log, archive, partition, since):
            if len(came) == after:
                raise Unavailable("objects-unavailable", "It does not answer.")
            came.append(partition)
            async for each in whole(log, archive, partition, since):
                yield each

        monkeypatch.setattr(restoring, "bring_back", bring_back)
        return lambda: monkeypatch.setattr(restoring, "bring_back", whole)

    return break_off


@pytest.mark.parametrize("partitions_back", [0, 1])
async def test_half_a_log_that_was_brought_back_is_nobodys(
    members, workers, archived, lose_log, settings, ask, break_off, partitions_back
):
    """No site starts on it; said again, the command begins anew and comes to its end."""
    await members.act(40)
    await workers.drain(100)
    await archived()
    facts = await facts_of(settings)
    await lose_log()
    mend = break_off(partitions_back)
    assert (await ask("bring-back", "--since", "2020-01-01"))[0] == 1

    await begin_tables(settings)
    with pytest.raises(OtherSite, match="`bring-back` was broken off"):
        await begin_log(settings)
    with pytest.raises(OtherSite):
        await ask("lag")
    mend()
    status, _, aside = await ask("bring-back", "--since", "2020-01-01")
    assert status == 0, aside
    await begin_log(settings)
    await workers.drain(100)

    assert await facts_of(settings) == facts
    assert (await ask("archive", "verify"))[0] == 0


async def test_a_restore_that_was_broken_off_is_begun_again(
    members, workers, archived, lose_all, settings, ask, break_off, tmp_path
):
    """Whatever it left: tables, objects, half of the keys."""
    await members.act(40)
    await workers.drain(100)
    await archived()
    facts = await facts_of(settings)
    assert (await ask("backup", tmp_path))[0] == 0
    [backup] = backups_in(tmp_path)
    await lose_all()
    mend = break_off(1)
    assert (await ask("restore", backup.path))[0] == 1
    with pytest.raises(OtherSite, match="`restore` was broken off"):
        await begin_log(settings)
    mend()

    status, said, aside = await ask("restore", backup.path)

    assert (status, said[-1]) == (0, "Restored: every table is as it was backed up."), aside
    assert await facts_of(settings) == facts


async def test_who_was_erased_after_a_backup_is_erased_again(
    members, workers, archived, lose_all, settings, log, ask, tmp_path
):
    """The backup has the key, the archive the erasure: no event of theirs is readable again."""
    await members.act(20)
    await workers.drain(100)
    assert (await ask("backup", tmp_path))[0] == 0
    gone = members.ids[0]
    await log.append(AccountErased(), actor=gone)
    await archived()
    segments = await ask("backup", tmp_path)
    assert segments[0] == 0
    old, new = backups_in(tmp_path)
    for name in ("tables.dump", "log.keys"):
        old.file(name).replace(new.file(name))
    earlier, later = (json.loads(old.file("manifest.json").read_text()) for old in (old, new))
    later["files"] |= {name: earlier["files"][name] for name in ("tables.dump", "log.keys")}
    later |= {name: earlier[name] for name in ("groups", "digests")}
    new.file("manifest.json").write_text(json.dumps(later))
    await lose_all()

    assert (await ask("restore", new.path))[0] == 0

    keys = f"keys:{{{shard_of(gone) % log.partitions}}}"
    assert await log.client.hlen(keys)
    assert not await log.client.hexists(keys, str(position_of(gone)))


async def test_nothing_is_trimmed_while_a_backup_is_made(
    members, workers, settings, log, ask, tmp_path, monkeypatch
):
    """What groups are to be given again has to be in the log when it is copied."""
    await members.act(10)
    await workers.drain(100)
    held = []

    async def looked(database_url, path):
        held.append([await log.client.zrange(holds_key(n), 0, -1) for n in range(2)])
        return await whole(database_url, path)

    whole = making.dump_tables
    monkeypatch.setattr(making, "dump_tables", looked)
    assert (await ask("backup", tmp_path))[0] == 0

    assert all(names and names[0].startswith(b"backup ") for names in held[0])
    assert not await log.client.exists(holds_key(0), holds_key(1))


async def test_a_restored_log_that_lacks_what_groups_need_says_so(
    members, workers, lose_all, ask, log, tmp_path, monkeypatch
):
    """Tables are as they were backed up, and yet something is missing: that is no success."""
    await members.act(30)
    await workers.drain(100)
    trimmed = making.copy_keys

    async def copy_keys(client, partitions, path):
        for n in range(partitions):
            await client.xtrim(f"graph:{{{n}}}", maxlen=0, approximate=False)
        async for each in trimmed(client, partitions, path):
            yield each

    monkeypatch.setattr(making, "copy_keys", copy_keys)
    monkeypatch.setattr(making, "undone_from", started)
    assert (await ask("backup", tmp_path))[0] == 0
    [backup] = backups_in(tmp_path)
    await lose_all()

    status, said, _ = await ask("restore", backup.path)

    assert status == 1
    assert any("lacks what graph." in line for line in said)


async def started(_log, streams):
    """As if every role had stood at the beginning."""
    return dict.fromkeys(streams, position_of(0))


async def test_what_broken_off_backups_left_goes_after_days(members, ask, tmp_path):
    """Rows and keys of people are in it; it is no backup, so no age is read from a manifest."""
    await members.act(5)
    assert (await ask("backup", tmp_path))[0] == 0
    [backup] = backups_in(tmp_path)
    backup.file("manifest.json").unlink()
    assert (await ask("backup", tmp_path))[0] == 0
    assert backup.path.is_dir()
    days_ago = time.time() - 3 * 86_400
    os.utime(backup.path, (days_ago, days_ago))

    assert (await ask("backup", tmp_path))[0] == 0

    assert not backup.path.exists()
    assert len(backups_in(tmp_path)) == 2
