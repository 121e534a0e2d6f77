"""A backup is put back into an empty site, which then goes on as if nothing had happened."""

import json
import time

import pytest

from events.accounts import AccountRegistered
from events.idempotency import Idempotency
from events.log_copy import put_keys_back
from runtime.errors import Conflict
from runtime.settings import Secret
from tests.backups.facts import facts_of
from tests.rebuilds.rebuilt import rows_of
from workers.backup.folder import backups_in


@pytest.fixture
def backed_up(ask, tmp_path):
    """Make a backup; where it is."""

    async def backed_up():
        status, said, aside = await ask("backup", tmp_path)
        assert status == 0, aside
        assert any("The site's secret is not in it" in line for line in said)
        return backups_in(tmp_path)[-1]

    return backed_up


async def test_a_site_that_was_lost_is_there_again(
    members, workers, backed_up, lose_all, settings, objects, ask
):
    """Rows, names, keys and bytes; and what was not folded then is folded now."""
    await objects.put_if_absent("originals/a", b"bytes", "image/jpeg")
    await members.act(60)
    await workers.drain(100)
    folded = await rows_of(settings)
    await members.act(20)
    backup = await backed_up()
    await workers.drain(100)
    at_backup = await facts_of(settings)
    await members.act(20)
    await lose_all()

    status, said, aside = await ask("restore", backup.path)

    assert status == 0, aside
    assert said[-1] == "Restored: every table is as it was backed up."
    assert await rows_of(settings) == folded
    await workers.drain(100)
    assert await facts_of(settings) == at_backup
    assert await objects.read("originals/a") == b"bytes"
    await members.sign_up()
    await workers.drain(100)
    status, said, _ = await ask("verify")
    assert status == 0, said


async def test_what_was_archived_after_the_log_was_copied_is_there_too(
    members, workers, archived, backed_up, lose_all, settings, ask
):
    """Objects are copied last: a segment may be younger than the log. Nothing forks."""
    await members.act(30)
    await workers.drain(100)
    backup = await backed_up()
    await members.act(30)
    await archived()
    again = await backed_up()
    await workers.drain(100)
    rows = await facts_of(settings)
    backup.file("log.keys").replace(again.file("log.keys"))
    earlier, later = (
        json.loads(each.file("manifest.json").read_text()) for each in (backup, again)
    )
    later["files"]["log.keys"] = earlier["files"]["log.keys"]
    later["groups"] = earlier["groups"]
    again.file("manifest.json").write_text(json.dumps(later))
    await lose_all()

    status, _, aside = await ask("restore", again.path)

    assert status == 0, aside
    await workers.drain(100)
    assert await facts_of(settings) == rows
    status, said, _ = await ask("archive", "verify")
    assert status == 0, said


async def test_a_command_repeated_after_all_is_still_one_command(
    members, log, backed_up, lose_all, ask
):
    """Clients' idempotency keys are part of the log."""
    event = AccountRegistered(username="ada", display_name="Ada", password_hash="-")
    key = Idempotency("ada", "once", b"the command")
    first = await log.register(event, idempotency=key)
    backup = await backed_up()
    await lose_all()
    assert (await ask("restore", backup.path))[0] == 0

    assert (await log.register(event, idempotency=key)).id == first.id
    with pytest.raises(Conflict, match="username-taken"):
        await log.register(event)


async def test_a_site_with_people_in_it_is_not_restored_over(members, backed_up, ask):
    await members.act(5)
    backup = await backed_up()

    status, _, aside = await ask("restore", backup.path)

    assert (status, aside) == (1, "The log is not empty: it is somebody's.\n")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"secret": Secret("another " * 8)}, "another secret"), ({"partitions": 4}, "PARTITIONS=2")],
)
async def test_another_sites_backup_is_refused(members, backed_up, lose_log, ask, changes, said):
    await members.act(5)
    backup = await backed_up()
    await lose_log()

    status, _, aside = await ask("restore", backup.path, **changes)

    assert status == 2
    assert said in aside


@pytest.mark.parametrize("name", ["tables.dump", "log.keys", "objects.list", "manifest.json"])
async def test_a_damaged_backup_is_named_and_nothing_is_written(
    members, backed_up, lose_log, log_client, objects, ask, name
):
    await members.act(5)
    await objects.put_if_absent("originals/a", b"bytes", "image/jpeg")
    backup = await backed_up()
    damaged = backup.file(name).read_bytes()
    backup.file(name).write_bytes(damaged[: len(damaged) // 2])
    await lose_log()

    status, _, aside = await ask("restore", backup.path)

    assert status == 1
    assert name in aside
    assert await log_client.dbsize() == 0


async def test_a_backup_that_was_broken_off_is_none(members, backed_up, ask, tmp_path):
    await members.act(5)
    backup = await backed_up()
    backup.file("manifest.json").unlink()

    status, _, aside = await ask("restore", backup.path)

    assert status == 1
    assert "holds no finished backup" in aside
    assert backups_in(tmp_path) == []


async def test_a_key_that_is_there_already_is_not_overwritten(members, log_client, backed_up):
    await members.act(5)
    backup = await backed_up()

    with pytest.raises(Conflict, match="not empty"):
        [_ async for _ in put_keys_back(log_client, backup.file("log.keys"))]


async def test_backups_and_what_they_alone_hold_go_after_a_month(members, backed_up, objects, ask):
    """What people erased is gone from backups by then; what a younger one holds stays."""
    await members.act(5)
    await objects.put_if_absent("originals/old", b"old", "image/jpeg")
    await objects.put_if_absent("originals/kept", b"kept", "image/jpeg")
    old = await backed_up()
    manifest = json.loads(old.file("manifest.json").read_text())
    manifest["made_at"] = time.strftime("%Y-%m-%dT00:00:00+00:00", time.gmtime(time.time() - 32e5))
    old.file("manifest.json").write_text(json.dumps(manifest))
    old.path.rename(old.path.with_name("2020-01-01T000000Z"))
    await objects.delete(["originals/old"])

    young = await backed_up()

    pool = young.path.parent / "objects" / "originals"
    assert [each.path for each in backups_in(young.path.parent)] == [young.path]
    assert {each.name for each in pool.iterdir()} == {"kept"}
