"""The row "a write (read) gateway": the other kind goes on, and so does its own kind on another."""

from contextlib import AsyncExitStack

from tests.faults.degraded.outages import site_of
from tests.gateway.serving import serving


async def test_a_write_gateway_down_reads_go_on_and_commands_on_another(settings):
    """Gateways keep nothing that another needs: tokens, repeats and sessions hold at each."""
    async with site_of(settings, roles=("accounts",), gateways=("read", "write")) as site:
        async with AsyncExitStack() as life:
            first = await life.enter_async_context(serving(settings, "write"))
            ada = await first.sign_up("ada")
            command = {"json": {"username": "bob", "password": "correct horse battery"}}
            headers = {"Idempotency-Key": "once"}
            told = await first.ask("POST", "/v1/accounts", headers=headers, **command)

        assert (await site.get("/v1/me", ada))["username"] == "ada"
        again = await site.ask("POST", "/v1/accounts", headers=headers, at=1, **command)
        assert (again.status, again.body["token"]) == (told.status, told.body["token"])
        ended = await site.command("DELETE", "/v1/sessions", ada, at=1)
        assert ended["id"]
        await site.until_status(401, "GET", "/v1/me", ada)


async def test_a_read_gateway_down_commands_go_on_and_reads_on_another(settings):
    """A read gateway that starts knows what was recorded while none was there."""
    async with site_of(settings, gateways=("write",)) as site:
        async with serving(settings, "read"):
            ada, bob = [await site.gateway.sign_up(each) for each in ("ada", "bob")]
        edited = await site.command("PATCH", "/v1/me", ada, json={"bio": "Hi"})
        await site.command("DELETE", "/v1/sessions/current", bob)
        async with serving(settings, "read") as other:
            site.gateways.append(other)
            await site.applied((ada, edited), at=1)
            assert (await site.get("/v1/me", ada, at=1))["bio"] == "Hi"
            assert (await site.ask("GET", "/v1/me", bob, at=1)).status == 401
