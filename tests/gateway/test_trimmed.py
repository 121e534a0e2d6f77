"""What was trimmed from the log is answered as before, or not at all; never wrongly."""

import asyncio

import pytest

from events import trimming
from events.ids import Address
from gateway.keys import LOG, READER
from stores.objects import Objects
from tests.gateway.serving import serving
from workers.archive import Trimmer, one_round
from workers.archiving import Keeper
from workers.site import Library


@pytest.fixture
def trim(gateway, archive, monkeypatch):
    """Archive everything, and drop from the log whatever may be dropped."""
    monkeypatch.setattr(trimming, "KEPT_SECONDS", -60)

    async def trim():
        log = gateway.app[LOG]
        library = Library(log=log, archive=archive)
        keepers = [Keeper(library, n, lease_seconds=60, seal_seconds=0) for n in range(8)]
        await one_round(keepers, Trimmer(0))

    return trim


@pytest.fixture
async def bob(gateway):
    return await gateway.sign_up("bob")


async def test_a_commands_state_outlives_its_entry(gateway, settle, ada, bob, trim):
    """Its author still learns that it was applied; nobody else learns that there was one."""
    edited = await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "I count."})
    path = f"/v1/commands/{edited.body['event']}"
    await settle()
    before = (await gateway.ask("GET", path, ada)).body
    await trim()
    address = Address.parse(edited.body["event"])
    assert await gateway.app[LOG].event_at(address) is None

    assert (await gateway.ask("GET", path, ada)).body == before
    assert before["state"] == "applied"
    assert (await gateway.ask("GET", path, bob)).status == 404
    topic, partition, (ms, sequence) = address
    absent = f"/v1/commands/{topic}.{partition}.{ms - 1}-{sequence}"
    assert (await gateway.ask("GET", absent, ada)).status == 404


async def test_a_repeated_sign_in_gets_its_first_answer(gateway, settle, ada, trim):
    """For as long as its key is kept, whatever has become of its event."""
    await settle()
    key = {"Idempotency-Key": "again"}
    first = await gateway.sign_in("ada", headers=key)
    await gateway.ask("PATCH", "/v1/me", ada, json={"display_name": "Countess"})
    await settle()
    await trim()
    again = await gateway.sign_in("ada", headers=key)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body["account"] == first.body["account"]


async def test_an_account_is_not_taken_for_erased(settings, gateway, settle, ada, bob, trim):
    """Without Postgres and without a card its registration would be asked; it is out of reach."""
    await settle()
    await trim()
    async with serving(settings) as cold:
        cold.app[READER].terminate()
        for path, person in (("/v1/accounts/ada", bob), ("/v1/me", ada)):
            answer = await cold.ask("GET", path, person)
            assert (answer.status, answer.body["code"]) == (503, "metadata-unavailable")


async def test_storage_that_is_away_is_told(gateway, settle, ada, trim, monkeypatch):
    """What only the archive knows has to wait for it; no one is told that it never was."""
    edited = await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "I count."})
    await settle()
    await trim()
    nowhere = Objects("http://key:secret@127.0.0.1:1/bucket")
    async with nowhere:
        archive = gateway.app[LOG].precedents.history._archive
        monkeypatch.setattr(archive, "_objects", nowhere)
        answer = await gateway.ask("GET", f"/v1/commands/{edited.body['event']}", ada)

    assert (answer.status, answer.body["code"]) == (503, "objects-unavailable")


async def test_many_who_ask_at_once_fetch_one_segment(gateway, settle, ada, trim, monkeypatch):
    """Whoever waits for an answer asks again and again: that is no load for storage."""
    edited = await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "I count."})
    await settle()
    await trim()
    archive, fetched = gateway.app[LOG].precedents.history._archive, []
    entries = archive.entries

    async def counted(manifest):
        fetched.append(manifest)
        return await entries(manifest)

    monkeypatch.setattr(archive, "entries", counted)
    path = f"/v1/commands/{edited.body['event']}"
    answers = await asyncio.gather(*(gateway.ask("GET", path, ada) for _ in range(20)))
    assert {answer.body["state"] for answer in answers} == {"applied"}
    assert len(fetched) == 1
