"""Over an allowance one is told so, for how long, and by no means more than that."""

import asyncio
import json

import pytest

from gateway.app import all_routes
from gateway.keys import SETTINGS
from gateway.limits import EVERYWHERE, network_of
from gateway.openapi import document, plain
from runtime.settings import Settings
from tests.faults.proxy import Proxy
from tests.gateway.publishing import JPEG, form
from tests.gateway.serving import PASSWORD, serving

FAR = "203.0.113.7"
NOWHERE = "redis://127.0.0.1:9"


@pytest.fixture
async def gateway(settings, clean_site):
    """With allowances that a test can use up."""
    few = settings.replace(
        limit_sign_ups=4, limit_sign_ins=3, limit_uploads=2, limit_commands=5, limit_reads=6
    )
    async with serving(few) as served:
        yield served


def rates_of(answer):
    return tuple(
        int(answer.headers[f"RateLimit-{each}"]) for each in ("Limit", "Remaining", "Reset")
    )


def assert_too_many(answer, most):
    assert (answer.status, answer.body["code"]) == (429, "too-many-requests")
    assert answer.headers["Content-Type"] == "application/problem+json"
    limit, remaining, reset = rates_of(answer)
    assert (limit, remaining) == (most, 0)
    assert 1 <= int(answer.headers["Retry-After"]) <= reset


def test_every_route_says_what_limits_it():
    """Only what is cached for everybody, and bears no token, has no allowance."""
    limits = {(each.method, each.path): each.limited_by for each in all_routes()}

    assert limits["POST", "/v1/accounts"] == "sign-ups"
    assert limits["POST", "/v1/sessions"] == "sign-ins"
    assert limits["POST", "/v1/posts"] == "uploads"
    for route in all_routes():
        if route.authenticated is True and route.limit is None:
            assert route.limited_by == ("reads" if route.side == "read" else "commands")
    unlimited = {path for (_, path), limit in limits.items() if limit is None}
    assert unlimited == {"/media/{photo:.+}", "/openapi.json", "/docs"}


def test_the_document_says_so_too():
    """Each route with an allowance has its 429 and the headers of every answer written down."""
    described = json.loads(document(tuple(all_routes())))["paths"]
    for route in all_routes():
        said = described[plain(route.path)][route.method.lower()]
        assert said.get("x-limited-by") == route.limited_by
        if route.limited_by:
            assert "Retry-After" in said["responses"]["429"]["headers"]
            for status in (str(route.status), "429"):
                assert "RateLimit-Remaining" in said["responses"][status]["headers"]


def test_the_defaults_admit_what_the_contract_says():
    """600 uploads an hour of an account, 20 sign-ups a minute of an address, even all at once."""
    defaults = dict(zip(Settings.__struct_fields__[-len(Settings.__struct_defaults__) :],
                        Settings.__struct_defaults__, strict=True))  # fmt: skip

    assert defaults["limit_uploads"] >= 600
    assert defaults["limit_sign_ups"] >= 20


async def test_sign_ups_of_an_address(gateway):
    """Each answer says what is left; the one too many when to come back. Others are not meant."""
    for number in range(4):
        command = {"username": f"ada{number}", "password": PASSWORD}
        answer = await gateway.ask("POST", "/v1/accounts", json=command)
        limit, remaining, reset = rates_of(answer)
        assert (answer.status, limit, remaining) == (201, 4, 3 - number)
        assert 15 * number < reset <= 15 * (number + 1)

    command = {"username": "ada4", "password": PASSWORD}
    assert_too_many(await gateway.ask("POST", "/v1/accounts", json=command), 4)
    elsewhere = await gateway.ask("POST", "/v1/accounts", json=command, headers={"X-Real-IP": FAR})
    assert elsewhere.status == 201


async def test_uploads_commands_and_reads_of_an_account(gateway):
    """Each has its own allowance, and each account has it for itself."""
    ada, bob = await gateway.sign_up("ada"), await gateway.sign_up("bob")
    asked = {
        "uploads": lambda who: gateway.ask("POST", "/v1/posts", who, data=form(JPEG)),
        "commands": lambda who: gateway.ask("PATCH", "/v1/me", who, json={"bio": "x"}),
        "reads": lambda who: gateway.ask("GET", "/v1/feed", who),
    }
    for name, most in (("uploads", 2), ("commands", 5), ("reads", 6)):
        for number in range(most):
            answer = await asked[name](ada)
            assert answer.status < 300, answer.raw
            assert rates_of(answer)[:2] == (most, most - number - 1)
        assert_too_many(await asked[name](ada), most)
        assert (await asked[name](bob)).status < 300


async def test_an_allowance_is_the_whole_sites(gateway):
    """A second gateway knows what the first one counted."""
    ada = await gateway.sign_up("ada")
    async with serving(gateway.app[SETTINGS]) as second:
        for each in (gateway, second):
            assert (await each.ask("POST", "/v1/posts", ada, data=form(JPEG))).status == 202
        assert_too_many(await gateway.ask("POST", "/v1/posts", ada, data=form(JPEG)), 2)


async def test_a_wrong_token_is_told_first_and_costs_nothing(gateway):
    """401 whatever else is true; and nobody uses up another's allowance without their token."""
    ada = await gateway.sign_up("ada")
    forged = ada._replace(token=ada.token[:-3] + "xxx")
    for _ in range(10):
        answer = await gateway.ask("PATCH", "/v1/me", forged, json={"bio": "x"})
        assert answer.status == 401

    answer = await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "x"})
    assert rates_of(answer)[:2] == (5, 4)


async def test_a_repeat_counts_too(gateway):
    """An idempotency key is no way around it."""
    ada = await gateway.sign_up("ada")
    headers = {"Idempotency-Key": "one"}
    answers = [
        await gateway.ask("POST", "/v1/posts", ada, data=form(JPEG), headers=headers)
        for _ in range(3)
    ]

    assert [each.status for each in answers] == [202, 202, 429]
    assert answers[1].headers["Idempotency-Replayed"] == "true"


async def test_an_upload_too_many_is_told_before_its_body(gateway):
    ada = await gateway.sign_up("ada")
    for _ in range(2):
        await gateway.ask("POST", "/v1/posts", ada, data=form(JPEG))
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"POST /v1/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        assert b" 429 " in await reader.readline()
    writer.close()


async def test_guesses_at_a_name_shut_nobody_out(gateway, settle):
    """One address has few tries at a name; its owner signs in from another as ever."""
    await gateway.sign_up("ada")
    await settle()
    guesses = [await sign_in(gateway, "ada", password="a wrong one") for _ in range(3)]
    assert [each.status for each in guesses] == [401] * 3
    assert_too_many(await sign_in(gateway, "ada", password="a wrong one"), 3)
    assert_too_many(await sign_in(gateway, "ada"), 3)

    assert (await sign_in(gateway, "ada", address=FAR)).status == 201


async def test_a_crowd_of_addresses_has_a_bound_too(gateway):
    """All addresses together have a few times one address's tries at a name."""
    answers = [
        await sign_in(gateway, "ada", address=f"198.51.100.{number}")
        for number in range(3 * EVERYWHERE + 1)
    ]

    assert [each.status for each in answers[:-1]] == [401] * (3 * EVERYWHERE)
    assert_too_many(answers[-1], 3 * EVERYWHERE)


async def test_limits_tell_nothing_of_names(gateway, settle):
    """A name that somebody has and one that nobody has are refused alike, header by header."""
    await gateway.sign_up("ada")
    await settle()
    seen = []
    for name, address in (("ada", "198.51.100.1"), ("nobody", "198.51.100.2")):
        answers = [
            await sign_in(gateway, name, address=address, password="a wrong one") for _ in range(4)
        ]
        seen.append([(each.status, rates_of(each)[:2]) for each in answers])

    assert seen[0] == seen[1]
    assert [status for status, _ in seen[0]] == [401, 401, 401, 429]


async def test_a_stolen_token_is_no_licence_to_guess(gateway, settle):
    """Tries at the old password count with those at signing in."""
    ada = await gateway.sign_up("ada")
    await settle()
    change = {"old": "a wrong one", "new": "another password"}
    for _ in range(3):
        assert (await gateway.ask("PUT", "/v1/me/password", ada, json=change)).status == 403

    assert_too_many(await gateway.ask("PUT", "/v1/me/password", ada, json=change), 3)


@pytest.mark.parametrize("silent", [False, True], ids=["stopped", "stalled"])
async def test_without_the_cache_each_gateway_counts(settings, clean_site, silent):
    """The same allowance, by its own memory, said in the header; and nobody waits for the cache."""
    few = settings.replace(limit_commands=3)
    async with Proxy(("127.0.0.1", 9)) as proxy:
        proxy.stall()
        address = f"redis://127.0.0.1:{proxy.address[1]}" if silent else NOWHERE
        async with serving(few.replace(cache_url=address)) as gateway, asyncio.timeout(10):
            ada = await gateway.sign_up("ada")
            answers = [
                await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "x"}) for _ in range(4)
            ]

    assert [each.status for each in answers] == [202, 202, 202, 429]
    assert {each.headers["Heliograph-Degraded"] for each in answers} == {"cache"}
    assert_too_many(answers[-1], 3)


async def test_a_refused_request_leaves_no_trace(gateway, log_client):
    """Nothing is recorded of what was over the allowance."""
    ada = await gateway.sign_up("ada")
    for _ in range(5):
        await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "x"})
    before = await log_client.info("commandstats")
    for _ in range(3):
        await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "y"})
    after = await log_client.info("commandstats")

    assert before["cmdstat_fcall"]["calls"] == after["cmdstat_fcall"]["calls"]


def test_one_household_is_one_address():
    """Of IPv6 a client has a whole network to choose from; IPv4 may be written as IPv6."""
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::9") == "2001:db8:1:2::"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("") == ""


async def sign_in(gateway, username, *, address="198.51.100.99", password=PASSWORD):
    headers = {"X-Real-IP": address}
    return await gateway.sign_in(username, password, headers=headers)
