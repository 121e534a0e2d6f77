"""One account, whatever it holds open, leaves places to everybody else."""

import asyncio

import pytest

from gateway.inflight import SHARE, UPLOADS, WAITS, InFlight
from gateway.uploads import MOST_BYTES
from runtime.errors import TooMany
from tests.gateway.publishing import submit
from tests.gateway.serving import serving, until
from tests.gateway.uploading import HEAD, JPEG, MEBIBYTE, Uploader, raw_answer


@pytest.mark.parametrize("kind", ["command", "post"])
async def test_whoever_waits_leaves_places_to_others(settings, clean_site, kind):
    """Answers are held back in a part of the places; beyond it `?wait=` answers with what is."""
    async with serving(settings.replace(most_requests=3)) as gateway:
        ada, bob = await gateway.sign_up("ada"), await gateway.sign_up("bob")
        told = await submit(gateway, ada)  # and nobody works on it
        path = f"/v1/commands/{told['event']}" if kind == "command" else f"/v1/posts/{told['id']}"
        asked = [asyncio.create_task(gateway.ask("GET", f"{path}?wait=2", ada)) for _ in range(3)]
        await until(lambda: sum(map(asyncio.Task.done, asked)) >= 2)
        assert gateway.app[WAITS].count == 1
        assert (await gateway.ask("GET", "/v1/feed", bob)).status == 200
        answers = await asyncio.gather(*asked)
        assert {answer.status for answer in answers} == {200}
        assert {answer.body["state"] for answer in answers} <= {"accepted", "processing"}
        assert gateway.app[WAITS].count == 0


async def test_uploads_of_one_account_leave_places_to_others(settings, clean_site):
    """Nine forms that were announced and do not come; the account is told to end some first."""
    async with serving(settings) as gateway:
        ada, bob = [Uploader(gateway, await gateway.sign_up(name)) for name in ("ada", "bob")]
        uploads, whole = gateway.app[UPLOADS], f"Content-Length: {MOST_BYTES}\r\n"
        held = []
        for number in range(5):
            held.append((await ada.begin(whole, HEAD))[1])
            await until(lambda expected=number + 1: uploads.count == expected)
        for _ in range(4):
            answer = await raw_answer(ada, whole, HEAD)
            assert b" 429 " in answer.splitlines()[0]
            assert b"Retry-After:" in answer
            assert b"\r\nRateLimit-Remaining" not in answer  # it cost none

        response, _ = await bob.send(("photo", JPEG.ljust(10 * MEBIBYTE, b"x")))
        assert response.status == 202
        for writer in held:
            writer.close()
        await until(lambda: (uploads.count, uploads.bytes) == (0, 0))
        assert (await ada.send(("photo", JPEG)))[0].status == 202


def test_a_share_is_given_back():
    """A part of the number and of the bytes, one at a time always, and as much when it ended."""
    places = InFlight("things", 2 * SHARE, 16 * SHARE)
    for _ in range(2):
        with places.admit(100, whose=1), pytest.raises(TooMany):  # one at a time, however large
            places.refuse_beyond(1, whose=1)
        with places.admit(8, whose=1), places.admit(8, whose=1):
            with pytest.raises(TooMany):
                places.refuse_beyond(0, whose=1)
            places.refuse_beyond(16, whose=2)
    assert (places.count, places.bytes) == (0, 0)
