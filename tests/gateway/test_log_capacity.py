"""A log that is nearly full refuses commands before it fails, and everything else goes on."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from events.accounts import ProfileEdited
from gateway.keys import LOG, NOTICES
from gateway.room import CAPACITY, check_of
from runtime import metrics
from runtime.health import Health
from tests.faults.proxy import proxied
from tests.gateway.publishing import JPEG, form, publish
from tests.gateway.serving import PASSWORD, serving, until


@pytest.fixture
async def full(gateway, log_client, settle, ada):
    """The gateway, having seen the log at over 80 % of its memory; Ada has posted, Bob follows."""
    bob = await gateway.sign_up("bob")
    await gateway.ask("PUT", "/v1/accounts/ada/follow", bob)
    await settle()
    post_id = await publish(gateway, settle, ada)
    before = (await log_client.config_get("maxmemory"))["maxmemory"]
    await log_client.setrange("ballast", 2**25, "x")  # beside it, what clients use is nothing
    used = (await log_client.info("memory"))["used_memory"]
    await log_client.config_set("maxmemory", int(used / 0.87))
    try:
        await until(lambda: gateway.app[CAPACITY].refusal is not None)
        yield bob, post_id
    finally:
        await log_client.config_set("maxmemory", before)


async def test_every_command_is_refused_in_words(gateway, ada, full):
    """Sign-in and sign-up included: 503, when to come back, and which part is to blame."""
    bob, post_id = full
    sign_in = {"username": "ada", "password": PASSWORD}
    commands = [
        ("POST", "/v1/accounts", None, {"json": {"username": "eve", "password": PASSWORD}}),
        ("POST", "/v1/sessions", None, {"json": sign_in}),
        ("DELETE", "/v1/sessions", ada, {}),
        ("PATCH", "/v1/me", ada, {"json": {"bio": "x"}}),
        ("POST", "/v1/posts", ada, {"data": form(JPEG)}),
        ("DELETE", f"/v1/posts/{post_id}", ada, {}),
        ("DELETE", "/v1/accounts/ada/follow", bob, {}),
    ]
    for method, path, person, body in commands:
        answer = await gateway.ask(method, path, person, **body)
        assert (answer.status, answer.body["code"]) == (503, "log-full"), path
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Heliograph-Degraded"] == "log"
        assert "RateLimit-Remaining" not in answer.headers  # it cost none


async def test_an_upload_is_refused_before_its_body(gateway, ada, full):
    """Nobody sends megabytes to hear that there is no room."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"POST /v1/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        assert b" 503 " in await reader.readline()
    writer.close()


async def test_reads_and_workers_go_on(gateway, ada, full, settle):
    """What was accepted is finished: an append beside the gateway still has room."""
    bob, post_id = full
    paths = ("/v1/feed", f"/v1/posts/{post_id}", "/v1/accounts/ada", "/v1/accounts/ada/posts")
    for path in paths:
        answer = await gateway.ask("GET", path, bob)
        assert answer.status == 200
        assert "Heliograph-Degraded" not in answer.headers

    await gateway.app[LOG].append(ProfileEdited(bio="by a worker"), actor=ada.id)
    await settle()
    assert (await gateway.ask("GET", "/v1/me", ada)).body["bio"] == "by a worker"


async def test_a_log_that_is_away_costs_no_allowance(settings, clean_site, ada):
    """Whoever repeats a command until it is back has still all of their allowance then."""
    async with AsyncExitStack() as stack:
        through, proxies = await stack.enter_async_context(proxied(settings))
        gateway = await stack.enter_async_context(serving(through.replace(limit_commands=3)))
        edit = {"json": {"bio": "x"}}
        first = await gateway.ask("PATCH", "/v1/me", ada, **edit)
        await proxies["log"].refuse()
        await until(gateway.app[LOG].reach.is_away)
        refused = [await gateway.ask("PATCH", "/v1/me", ada, **edit) for _ in range(5)]
        await proxies["log"].heal()
        await until(lambda: gateway.app[NOTICES].ready and not gateway.app[LOG].reach.is_away())
        again = await gateway.ask("PATCH", "/v1/me", ada, **edit)

    assert [each.status for each in refused] == [503] * 5
    assert [each.headers["RateLimit-Remaining"] for each in (first, again)] == ["2", "1"]


async def test_it_is_seen_and_passes(gateway, ada, full, log_client):
    """Operators see it, the gateway stays ready; with room again, commands are taken again."""
    health = Health([check_of(gateway.app)])
    finding = await health.look(health.checks[0])

    assert (finding.state, health.report().status) == ("full", "degraded")
    assert "memory is nearly full" in finding.detail
    assert "commands" in finding.degraded
    assert metrics.log_memory_ratio._value.get() > 0.8

    await log_client.config_set("maxmemory", 2**33)
    await until(lambda: gateway.app[CAPACITY].refusal is None)
    assert (await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "x"})).status == 202
    assert (await health.look(health.checks[0])).state == "ok"
