"""What an operator gives up by dropping a deletion is its effect, not its author's privacy."""

from events.dead_letters import Drop, Letter, Undelivered, bury, drop
from events.ids import Address
from events.log import stream_key
from events.trimming import trim_applied
from gateway.keys import LOG
from gateway.resources import forget_once
from tests.gateway.publishing import publish, show
from tests.gateway.serving import serving
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS, topics_of

NOTE = Drop(who="grace", why="its row is broken", dropped_ms=1)


async def test_a_post_stays_hidden_when_its_deletion_is_dropped(
    gateway, settle, settings, ada, log_client, monkeypatch
):
    """Long after every other notice is trimmed, and on a gateway that starts only then."""
    post_id = await publish(gateway, settle, ada)
    other_id = await publish(gateway, settle, ada)
    deleted = await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)
    address = Address.parse(deleted.body["event"])
    await bury_at("posts", address, log_client)
    await settle()
    await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "later"})
    await settle()

    assert await drop(log_client, Undelivered("posts", *address), NOTE) == "dropped"
    monkeypatch.setattr("events.trimming.KEPT_SECONDS", -1)
    roles = {role: topics_of(role) for role in SUBSCRIPTIONS.keys() - EFFECTS}
    await trim_applied(gateway.app[LOG], "notices", roles)
    notices = await log_client.xrange(stream_key("notices", address.partition))
    assert [entry_id.decode() for entry_id, _ in notices] == [str(address.position)]

    await forget_once(gateway.app)
    assert (await show(gateway, post_id, ada)).status == 410
    async with serving(settings) as later:
        assert (await show(later, post_id, ada)).status == 410
        assert (await show(later, other_id, ada)).status == 200


async def bury_at(role, address, log_client):
    """Bury one delivery as a worker of the role would that cannot do it."""
    stream = stream_key(address.topic, address.partition)
    await log_client.xreadgroup(role, "one", {stream: ">"}, count=1)
    [(_, entry)] = await log_client.xrange(stream, str(address.position), str(address.position))
    letter = Letter(reason="x", traceback="", attempts=8, buried_ms=1, entry=entry)
    assert await bury(log_client, Undelivered(role, *address), letter, consumer="one")
