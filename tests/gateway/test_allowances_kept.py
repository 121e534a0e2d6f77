"""What keeps an allowance for its owner: refusals that cost none, and sign-outs apart."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from gateway.keys import OBJECTS, READER_REACH
from tests.faults.proxy import proxied
from tests.gateway.publishing import JPEG, form
from tests.gateway.serving import serving, until

FAR = {"X-Real-IP": "203.0.113.7"}


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/current"])
async def test_a_stolen_token_keeps_nobody_from_ending_it(settings, clean_site, path):
    """Whoever has the token may use up all commands; its owner still signs out."""
    async with serving(settings.replace(limit_commands=3)) as gateway:
        ada = await gateway.sign_up("ada")
        edits = [await gateway.ask("PATCH", "/v1/me", ada, json={"bio": "x"}) for _ in range(4)]
        assert [each.status for each in edits] == [202, 202, 202, 429]

        assert (await gateway.ask("DELETE", path, ada)).status == 202


async def test_wrong_passwords_elsewhere_leave_a_password_change_here(settings, clean_site, settle):
    """A stolen token that guesses at the old password shuts out its own address alone."""
    async with serving(settings.replace(limit_commands=4, limit_sign_ins=3)) as gateway:
        ada = await gateway.sign_up("ada")
        await settle()
        wrong = {"old": "a wrong one", "new": "another password"}
        for status in (403, 403, 403, 429, 429):
            answer = await gateway.ask("PUT", "/v1/me/password", ada, json=wrong, headers=FAR)
            assert answer.status == status

        right = {"old": "correct horse battery", "new": "another password"}
        assert (await gateway.ask("PUT", "/v1/me/password", ada, json=right)).status == 202


@pytest.mark.parametrize("kept", ["uploads", "sign-ins"])
async def test_an_engine_that_is_away_costs_no_allowance(settings, clean_site, settle, kept):
    """Whoever repeats an upload or a sign-in until it is taken has their allowance then."""
    async with AsyncExitStack() as stack:
        through, proxies = await stack.enter_async_context(proxied(settings))
        few = through.replace(limit_uploads=3, limit_sign_ins=3)
        gateway = await stack.enter_async_context(serving(few))
        ada = await gateway.sign_up("ada")
        await settle()

        async def ask():
            if kept == "uploads":
                return await gateway.ask("POST", "/v1/posts", ada, data=form(JPEG))
            return await gateway.sign_in("ada")

        assert (await ask()).status < 300
        engine = proxies["objects" if kept == "uploads" else "database"]
        await engine.refuse()
        if kept == "sign-ins":
            await until(gateway.app[READER_REACH].is_away)
        refused = [await ask() for _ in range(5)]
        await engine.heal()
        if kept == "sign-ins":
            await until(lambda: not gateway.app[READER_REACH].is_away())
        else:
            async with asyncio.timeout(10):
                while not await gateway.app[OBJECTS].alive():  # noqa: ASYNC110 - storage tells nobody
                    await asyncio.sleep(0.05)
        again = await ask()

    assert [each.status for each in refused] == [503] * 5
    assert again.status < 300
    assert again.headers["RateLimit-Remaining"] == "1"
