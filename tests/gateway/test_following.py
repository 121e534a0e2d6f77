import pytest

from events.ids import Address
from gateway.keys import NOTICES
from gateway.visibility import heard_edge
from tests.gateway.serving import serving, until


@pytest.fixture
async def ada(gateway):
    return await gateway.sign_up("ada")


@pytest.fixture
async def bob(gateway):
    return await gateway.sign_up("bob")


async def test_following_shows_on_both_sides(gateway, settle, ada, bob):
    """Bob follows Ada: both profiles, both lists and both counts say so."""
    wish = await gateway.ask("PUT", "/v1/accounts/Ada/follow", bob)
    await settle()
    her = (await gateway.ask("GET", "/v1/accounts/ada", bob)).body
    him = (await gateway.ask("GET", "/v1/accounts/bob", ada)).body
    followers = (await gateway.ask("GET", "/v1/accounts/ada/followers", ada)).body
    following = (await gateway.ask("GET", "/v1/accounts/bob/following", ada)).body

    assert wish.status == 202
    assert Address.parse(wish.body["event"]).topic == "graph"
    assert (her["viewer"]["following"], her["counts"]["followers"]) == ("yes", 1)
    assert (him["viewer"]["followed_by"], him["counts"]["following"]) == (True, 1)
    assert [each["username"] for each in followers["items"]] == ["bob"]
    assert followers["items"][0]["viewer"]["followed_by"] is True
    assert [each["username"] for each in following["items"]] == ["ada"]


async def test_following_twice_changes_nothing(gateway, settle, ada, bob):
    """The second answer names the first wish."""
    first = await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
    await settle()
    again = await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)

    assert again.status == 202
    assert again.body == first.body


async def test_unfollowing_and_following_again(gateway, settle, ada, bob):
    """A new wish after a withdrawal is recorded, though the row still shows the old one."""
    first = await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
    await settle()
    left = await gateway.ask("DELETE", "/v1/accounts/ada/follow", bob)
    second = await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
    await settle()
    her = (await gateway.ask("GET", "/v1/accounts/ada", bob)).body

    assert (left.status, second.status) == (202, 202)
    assert second.body["event"] != first.body["event"]
    assert her["viewer"]["following"] == "yes"


async def test_unfollowing_ends_it(gateway, settle, ada, bob):
    await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
    await gateway.ask("DELETE", "/v1/accounts/ada/follow", bob)
    await settle()
    her = (await gateway.ask("GET", "/v1/accounts/ada", bob)).body

    assert (her["viewer"]["following"], her["counts"]["followers"]) == ("no", 0)
    assert (await gateway.ask("DELETE", "/v1/accounts/ada/follow", bob)).status == 202


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("name", "status"), [("ada", 422), ("ADA", 422), ("nobody", 404), ("!", 404)]
)
async def test_nobody_follows_themselves_or_nobody(gateway, ada, method, name, status):
    assert (await gateway.ask(method, f"/v1/accounts/{name}/follow", ada)).status == status


async def test_a_private_account_is_asked_first(gateway, settle, ada, bob):
    """Until she says yes, Bob sees her profile and none of her lists."""
    await gateway.ask("PATCH", "/v1/me", ada, json={"private": True})
    await settle()
    await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
    await settle()
    her = (await gateway.ask("GET", "/v1/accounts/ada", bob)).body
    shut = await gateway.ask("GET", "/v1/accounts/ada/followers", bob)

    assert (her["private"], her["viewer"]["following"]) == (True, "requested")
    assert (shut.status, shut.body["code"]) == (403, "private-account")
    assert (await gateway.ask("GET", "/v1/accounts/ada/followers", ada)).status == 200


async def test_going_private_closes_lists_before_the_row_knows(gateway, settle, ada, bob):
    """The notice decides while no worker runs."""
    await settle()
    assert (await gateway.ask("GET", "/v1/accounts/ada/following", bob)).status == 200
    await gateway.ask("PATCH", "/v1/me", ada, json={"private": True})
    shut = await gateway.ask("GET", "/v1/accounts/ada/following", bob)

    assert shut.status == 403


async def test_unfollowing_closes_private_lists_before_the_row_knows(gateway, settle, ada, bob):
    """The notice of the withdrawal decides, whatever the row still says."""
    await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
    await settle()
    await gateway.ask("PATCH", "/v1/me", ada, json={"private": True})
    await settle()
    lists = [f"/v1/accounts/ada/{each}" for each in ("followers", "following", "posts")]
    for path in lists:
        assert (await gateway.ask("GET", path, bob)).status == 200
    await gateway.ask("DELETE", "/v1/accounts/ada/follow", bob)
    await until(lambda: heard_edge(gateway.app[NOTICES], bob.id, ada.id) is False)

    for path in lists:
        shut = await gateway.ask("GET", path, bob)
        assert (shut.status, shut.body["code"]) == (403, "private-account")


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
async def test_pages_hold_everyone_once(gateway, settle, ada, limit):
    """Newest wish first, no one twice, no one missing, `next` null only at the end."""
    fans = [await gateway.sign_up(f"fan_{number}") for number in range(5)]
    for fan in fans:
        await gateway.ask("PUT", "/v1/accounts/ada/follow", fan)
    await settle()
    found, path = [], f"/v1/accounts/ada/followers?limit={limit}"
    while path:
        answer = await gateway.ask("GET", path, ada)
        found += [each["username"] for each in answer.body["items"]]
        assert len(answer.body["items"]) <= limit
        path = (
            answer.headers["Link"].split(">")[0].lstrip("<") if "Link" in answer.headers else None
        )
        assert (path is None) == (answer.body["next"] is None)

    assert len(found) == len(set(found))
    assert set(found) == {fan.username for fan in fans}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=abc"])
async def test_bad_limits_and_cursors_are_422(gateway, ada, query):
    answer = await gateway.ask("GET", f"/v1/accounts/ada/followers?{query}", ada)

    assert answer.status == 422
    assert answer.body["code"] in ("bad-limit", "bad-cursor")


async def test_following_needs_no_postgres(settings, clean_site, settle):
    """Names are resolved and wishes recorded while Postgres is away; lists say 503."""
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with serving(settings.replace(database_reader_url=nowhere)) as gateway:
        ada, bob = await gateway.sign_up("ada"), await gateway.sign_up("bob")
        wish = await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
        lists = await gateway.ask("GET", "/v1/accounts/ada/followers", bob)
        again = await gateway.sign_in("ada")
        await settle()
        command = await gateway.ask("GET", f"/v1/commands/{wish.body['event']}?wait=5", bob)

    assert wish.status == 202
    assert command.body["state"] == "applied"
    assert (lists.status, lists.body["code"]) == (503, "metadata-unavailable")
    assert again.status == 503
    assert int(lists.headers["Retry-After"]) > 0
    assert ada.account


async def test_only_who_recorded_a_command_may_ask_for_it(gateway, settle, ada, bob):
    """To everybody else it does not exist; nor do addresses of nothing."""
    event = (await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)).body["event"]
    strange = [event + "9", event.replace("graph", "posts"), "x", "a.b.c", "graph.99.1-1", "%2e"]

    assert (await gateway.ask("GET", f"/v1/commands/{event}", bob)).status == 200
    assert (await gateway.ask("GET", f"/v1/commands/{event}?wait=10", ada)).status == 404
    for address in strange:
        assert (await gateway.ask("GET", f"/v1/commands/{address}", bob)).status == 404
    for wait in ("11", "-1", "x", "1e1"):
        answer = await gateway.ask("GET", f"/v1/commands/{event}?wait={wait}", bob)
        assert (answer.status, answer.body["code"]) == (422, "bad-wait")
