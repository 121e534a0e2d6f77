"""Opening entries: nothing may read as erased that is not, and nothing broken may stop a reader."""

import pytest

from events import sealing
from events.accounts import ProfileEdited
from events.dead_letters import DEAD, letters_key
from events.entries import open_entries
from events.ids import shard_of
from events.log import Log, stream_key
from runtime.errors import Unavailable


async def entry_at(log_client, appended):
    stream, position = stream_key("accounts", appended.address.partition), str(appended.position)
    [entry] = await log_client.xrange(stream, position, position)
    return entry


async def test_a_key_that_is_forgotten_meanwhile_is_still_used(
    log, register, settings, log_client, monkeypatch
):
    """The memory of keys holds one here: opening Bob's entry puts Ada's key out of it."""
    ada, bob = await register("ada"), await register("bob")
    of_ada = await log.append(ProfileEdited(bio="kept"), actor=ada)
    of_bob = await log.append(ProfileEdited(bio="other"), actor=bob)
    fresh = Log(log_client, partitions=8, secret=settings.secret.reveal().encode())
    monkeypatch.setattr(sealing, "REMEMBERED_KEYS", 1)
    await fresh.event_at(of_ada.address)

    entries = [await entry_at(log_client, each) for each in (of_bob, of_ada)]
    opened = await open_entries(fresh, "accounts", 0, entries)

    assert [each.event.bio for each in opened] == ["other", "kept"]


async def test_another_sites_secret_buries_nothing(log, register, log_client):
    """A process with the wrong secret waits; what it cannot unwrap is not the entry's fault."""
    ada = await register("ada")
    appended = await log.append(ProfileEdited(bio="kept"), actor=ada)
    stranger = Log(log_client, partitions=8, secret=b"the secret of another site, long enough")

    with pytest.raises(Unavailable, match="wrong-secret"):
        await stranger.event_at(appended.address)


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "post.deleted", "actor": "nobody"},
        {"type": "post.deleted", "actor": "5", "time": "noon", "payload": b"\x81\xa7post_id\x01"},
        {"type": "account.registered", "payload": b"\xc1"},
        {"type": b"\xff"},
    ],
)
async def test_a_broken_field_is_the_entrys_own_end(reader, log_client, ada, broken, recording):
    """Whatever stands in an entry, its reader goes on."""
    partition = shard_of(ada) % 8
    await log_client.xadd(stream_key("posts", partition), broken)
    one = reader(recording([]))
    await one.step()

    buried = await log_client.hlen(letters_key(DEAD, partition))
    assert buried == (0 if broken["type"] == b"\xff" else 1)  # an unknown type waits
