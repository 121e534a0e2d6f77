import asyncio
from base64 import urlsafe_b64decode

import pytest

from events.ids import Address

PASSWORD = "correct horse battery"


async def test_sign_up_gives_a_token_that_works_at_once(gateway):
    """GET /v1/me right after sign-up shows the account, though no worker has written its row."""
    ada = await gateway.sign_up("ada", display_name="Ada  Lovelace")
    me = await gateway.ask("GET", "/v1/me", ada)

    assert me.status == 200
    assert me.body == ada.account
    assert me.body["display_name"] == "Ada Lovelace"
    assert me.body["counts"] == {"posts": 0, "followers": 0, "following": 0}
    assert me.headers["Cache-Control"] == "no-store"


async def test_a_username_is_folded_and_taken_once(gateway):
    """Upper case makes no other name."""
    ada = await gateway.sign_up("AdA")
    again = await gateway.ask("POST", "/v1/accounts", json=credentials("aDa"))

    assert ada.account["username"] == "ada"
    assert (again.status, again.body["code"]) == (409, "username-taken")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"username": "a"}, "username"),
        ({"username": "a" * 31}, "username"),
        ({"username": "ada!"}, "username"),
        ({"username": "ada\n"}, "username"),
        ({"username": "\u212aelvin"}, "username"),  # lower() would make it an ordinary k
        ({"username": 7}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"display_name": "x" * 51}, "display_name"),
        ({"display_name": "nul\0"}, "display_name"),
    ],
)
async def test_a_refused_field_is_named(gateway, fields, field):
    """422 says which field does not hold."""
    answer = await gateway.ask("POST", "/v1/accounts", json=credentials("ada") | fields)

    assert answer.status == 422
    assert [error["field"] for error in answer.body["errors"]] == [field]


async def test_a_missing_field_is_named(gateway):
    answer = await gateway.ask("POST", "/v1/accounts", json={"username": "ada"})

    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == "password"


async def test_a_repeated_sign_up_gets_an_equal_answer(gateway):
    """The same key and command: the first status, an equal body, and it says so."""
    key = {"Idempotency-Key": "one"}
    first, again = await asyncio.gather(
        gateway.ask("POST", "/v1/accounts", json=credentials("ada"), headers=key),
        gateway.ask("POST", "/v1/accounts", json=credentials("ADA"), headers=key),
    )

    assert first.status == again.status == 201
    assert first.raw == again.raw
    assert ["Idempotency-Replayed" in each.headers for each in (first, again)].count(True) == 1


async def test_a_key_stands_for_one_command(gateway):
    """The same key with another password is no repeat."""
    key = {"Idempotency-Key": "one"}
    await gateway.ask("POST", "/v1/accounts", json=credentials("ada"), headers=key)
    other = credentials("ada") | {"password": "another password"}
    reused = await gateway.ask("POST", "/v1/accounts", json=other, headers=key)

    assert (reused.status, reused.body["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", " ", "x" * 65, "tab\there", "späti"])
async def test_a_key_is_1_to_64_printable_characters(gateway, key):
    answer = await gateway.ask(
        "POST", "/v1/accounts", json=credentials("ada"), headers={"Idempotency-Key": key}
    )

    assert (answer.status, answer.body["code"]) == (422, "bad-idempotency-key")


async def test_a_password_is_in_no_log_entry(gateway, log_client):
    """Neither the password nor its hash nor the display name can be read from the log's bytes."""
    await gateway.sign_up("ada", display_name="Countess")
    kept = repr([await dump(log_client, key) for key in await log_client.keys("*")])

    assert "ada" in kept
    assert PASSWORD not in kept
    assert "argon2" not in kept
    assert "Countess" not in kept


async def test_an_edit_is_recorded_and_shown_once_applied(gateway, settle):
    """PATCH /v1/me touches what it names, nothing else."""
    ada = await gateway.sign_up("ada", display_name="Ada")
    edited = await gateway.ask(
        "PATCH", "/v1/me", ada, json={"bio": "Engines.\r\nMore.", "private": True}
    )
    await settle()
    me = await gateway.ask("GET", "/v1/me", ada)
    command = await gateway.ask("GET", f"/v1/commands/{edited.body['event']}", ada)

    assert edited.status == 202
    assert Address.parse(edited.body["event"]).topic == "accounts"
    assert (me.body["display_name"], me.body["bio"]) == ("Ada", "Engines.\nMore.")
    assert me.body["private"] is True
    assert command.body["state"] == "applied"


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({}, "nothing-to-change"),
        ({"bio": "x" * 501}, "text-too-long"),
        ({"bio": "nul\0"}, "control-characters"),
        ({"display_name": "  "}, "invalid"),
        ({"private": "yes"}, "invalid"),
    ],
)
async def test_an_edit_is_judged(gateway, edit, code):
    ada = await gateway.sign_up("ada")
    answer = await gateway.ask("PATCH", "/v1/me", ada, json=edit)

    assert (answer.status, answer.body["code"]) == (422, code)


async def test_others_see_a_profile(gateway):
    """By any spelling of the name, before its row is written too."""
    ada, bob = await gateway.sign_up("ada"), await gateway.sign_up("bob")
    shown = await gateway.ask("GET", "/v1/accounts/ADA", bob)

    assert shown.status == 200
    assert shown.body == ada.account


@pytest.mark.parametrize("name", ["nobody", "x", "with%20space", "..%2f", "%00", "a" * 300])
async def test_an_unknown_name_is_404(gateway, name):
    ada = await gateway.sign_up("ada")
    shown = await gateway.ask("GET", f"/v1/accounts/{name}", ada)

    assert (shown.status, shown.body["code"]) == (404, "not-found")


async def test_a_token_names_account_and_session_and_nothing_else(gateway):
    """A function of the event alone: id, session, issue and end."""
    ada = await gateway.sign_up("ada")
    claims = urlsafe_b64decode(ada.token.split(".")[1] + "==")

    assert ada.account["id"].encode() in claims
    assert b"ada" not in claims


def credentials(username):
    return {"username": username, "password": PASSWORD}


async def dump(client, key):
    kind = await client.type(key)
    match kind:
        case b"stream":
            return key, await client.xrange(key)
        case b"hash":
            return key, await client.hgetall(key)
        case b"zset":
            return key, await client.zrange(key, 0, -1)
    return key, await client.get(key)
