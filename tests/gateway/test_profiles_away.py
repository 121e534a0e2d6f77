"""Profiles and authors while Postgres is away: by their cards, never by what is long outdated."""

import pytest

from gateway.keys import CACHE, READER, SETTINGS
from tests.gateway.publishing import make_private, publish, show
from tests.gateway.serving import serving


@pytest.fixture
async def bob(gateway):
    return await gateway.sign_up("bob")


@pytest.fixture
async def cold(settings, gateway):
    """A gateway that has seen nothing yet, and loses Postgres when told to."""
    async with serving(settings) as other:
        yield other


async def test_a_profile_is_shown_by_its_card(gateway, settle, ada, bob, cold):
    """As it was seen last, with what was heard since: another gateway has the same from the cache.

    Counts may be old by then; the answer says that it was made without the metadata.
    """
    await settle()
    before = (await gateway.ask("GET", "/v1/accounts/ada", bob)).body
    cold.app[READER].terminate()
    await make_private(cold, ada)
    await cold.ask("PUT", "/v1/accounts/ada/follow", bob)

    shown = await cold.ask("GET", "/v1/accounts/ada", bob)
    assert shown.headers["Heliograph-Degraded"] == "metadata"
    assert shown.body == before | {"private": shown.body["private"], "viewer": shown.body["viewer"]}


async def test_an_account_that_nobody_has_seen_lately_is_not_guessed_at(
    gateway, settle, ada, bob, cold
):
    """What it was registered as may be long untrue: 503, not the first name it ever had."""
    renamed = {"display_name": "Ada Lovelace"}
    await gateway.ask("PATCH", "/v1/me", ada, json=renamed)
    await settle()
    cold.app[READER].terminate()

    for path, person in (("/v1/accounts/ada", bob), ("/v1/me", ada)):
        answer = await cold.ask("GET", path, person)
        assert (answer.status, answer.body["code"]) == (503, "metadata-unavailable")
        assert answer.headers["Retry-After"]


async def test_a_new_account_is_shown_from_the_log(gateway, ada, bob):
    """There is no row that could say otherwise, wherever Postgres is."""
    gateway.app[READER].terminate()

    shown = (await gateway.ask("GET", "/v1/accounts/ada", bob)).body
    assert (shown["username"], shown["counts"]["posts"]) == ("ada", 0)
    assert (await gateway.ask("GET", "/v1/me", ada)).body["id"] == shown["id"]
    assert (await gateway.ask("GET", "/v1/accounts/nobody", bob)).status == 404


async def test_a_private_authors_post_is_not_shown_because_their_card_is_lost(
    gateway, settle, ada, bob, cold
):
    """The registration says nothing of privacy: without card and row a stranger gets a 503."""
    await make_private(gateway, ada)
    post_id = await publish(gateway, settle, ada)
    await show(gateway, post_id, ada)
    async with serving(gateway.app[SETTINGS]) as fresh:
        cards = [key async for key in fresh.app[CACHE].scan_iter("author:*")]
        await fresh.app[CACHE].delete(*cards)
        fresh.app[READER].terminate()
        answer = await show(fresh, post_id, bob)

    assert answer.status == 503
