import asyncio
import re
import time

import pytest

from gateway.keys import READER
from tests.gateway.publishing import announce_published, publish, reject, show, submit


@pytest.fixture
async def ada(gateway):
    return await gateway.sign_up("ada", display_name="Ada")


@pytest.fixture
async def bob(gateway):
    return await gateway.sign_up("bob")


async def test_a_post_shows_at_once_to_its_author(gateway, ada, bob):
    """Before any worker ran, the log tells the author that it is processed; others know nothing."""
    submitted = await submit(gateway, ada, caption="Ahoj 🌅", alt="a")

    post = (await show(gateway, submitted["id"], ada)).body
    assert post["id"] == submitted["id"]
    assert post["state"] == "processing"
    assert post["caption"] == "Ahoj 🌅"
    assert post["author"] == {
        "id": ada.account["id"], "username": "ada", "display_name": "Ada", "avatar": None,
    }  # fmt: skip
    assert post["photos"] == []
    assert post["published_at"] is None
    assert (await show(gateway, submitted["id"], bob)).status == 404


async def test_processing_is_for_the_author_with_a_row_too(gateway, settle, ada, bob):
    """Once the row is there, nothing changes until the photos are."""
    submitted = await submit(gateway, ada)
    await settle()

    assert (await show(gateway, submitted["id"], ada)).body["state"] == "processing"
    assert (await show(gateway, submitted["id"], bob)).status == 404


async def test_a_published_post_shows_to_everyone(gateway, settle, ada, bob):
    """With every field that the API promises."""
    post_id = await publish(gateway, settle, ada, caption="c", alt="a canal")

    post = (await show(gateway, post_id, bob)).body
    assert post.keys() >= {
        "id", "state", "author", "caption", "created_at", "published_at", "edited_at", "photos",
        "counts", "viewer",
    }  # fmt: skip
    assert post["state"] == "published"
    for field in ("created_at", "published_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", post[field])
    (photo,) = post["photos"]
    assert (photo["width"], photo["height"], photo["alt"]) == (800, 600, "a canal")
    assert [(each["width"], each["type"]) for each in photo["renditions"]] == [
        (320, "image/webp"),
        (640, "image/webp"),
    ]
    assert post["counts"] == {"likes": 0, "comments": 0}
    assert post["viewer"] == {"liked": False}


async def test_a_place_is_never_shown(gateway, settle, ada, bob):
    """Coordinates are kept for their author; no answer holds them."""
    post_id = await publish(gateway, settle, ada, latitude="52.487", longitude="13.379")

    for person in (ada, bob):
        assert b"52.487" not in (await show(gateway, post_id, person)).raw


async def test_a_rejected_post_tells_its_author_why(gateway, settle, ada, bob):
    """Its author reads the problem; nobody else knows of the post."""
    submitted = await submit(gateway, ada)
    await reject(gateway, settle, ada, submitted)

    post = (await show(gateway, submitted["id"], ada)).body
    assert post["state"] == "rejected"
    assert post["problem"] == {"code": "corrupt-image", "detail": "It ends early."}
    assert (await show(gateway, submitted["id"], bob)).status == 404


async def test_waiting_holds_the_answer_until_the_post_is_published(gateway, settle, ada):
    """`?wait=` answers as soon as the state is final, long before its time is over."""
    submitted = await submit(gateway, ada)
    started = time.monotonic()
    waiting = asyncio.create_task(show(gateway, submitted["id"], ada, "?wait=10"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await announce_published(gateway, ada, submitted, b"\xff\xd8\xff x")
    await settle()

    assert (await waiting).body["state"] == "published"
    assert time.monotonic() - started < 8


async def test_waiting_ends_with_its_time(gateway, ada):
    """The state as it is then, as a success."""
    submitted = await submit(gateway, ada)
    started = time.monotonic()
    answer = await show(gateway, submitted["id"], ada, "?wait=0.5")

    assert (answer.status, answer.body["state"]) == (200, "processing")
    assert time.monotonic() - started >= 0.5


async def test_a_wrong_wait_is_refused(gateway, ada):
    """Whatever is no number of seconds up to ten."""
    for wait in ("11", "-1", "x", "1e1", "nan"):
        assert (await show(gateway, "1", ada, f"?wait={wait}")).status == 422, wait


NOTHING = "1", "0", str(2**63 - 1), str(2**63), str(2**64), "-1", "x", "1.5", "%31x", "%D9%A3"


async def test_ids_that_name_nothing_are_not_found(gateway, ada):
    """404, for showing and deleting alike, however the id is written."""
    for post_id in NOTHING:
        for method in ("GET", "DELETE"):
            answer = await gateway.ask(method, f"/v1/posts/{post_id}", ada)
            assert (answer.status, answer.body["code"]) == (404, "not-found"), post_id


async def test_an_id_with_another_shard_is_not_the_post(gateway, ada):
    """The log's position alone is not enough: every bit of an id counts."""
    submitted = await submit(gateway, ada)
    other = int(submitted["id"]) ^ (8 << 10)  # another shard of the same partition

    assert (await show(gateway, other, ada)).status == 404


async def test_an_account_is_no_post(gateway, ada):
    """Ids of other things name no post."""
    assert (await show(gateway, ada.id, ada)).status == 404


async def test_a_token_is_needed(gateway, settle, ada):
    """401 and how to ask."""
    post_id = await publish(gateway, settle, ada)
    for method, path in (
        ("GET", f"/v1/posts/{post_id}"),
        ("DELETE", f"/v1/posts/{post_id}"),
        ("GET", "/v1/accounts/ada/posts"),
    ):
        answer = await gateway.ask(method, path)
        assert answer.status == 401
        assert "WWW-Authenticate" in answer.headers


async def test_without_postgres_the_log_still_serves_the_author(gateway, settle, ada, bob):
    """Own posts show and can be deleted from the log alone; others' cold posts are 503."""
    mine, theirs = (await submit(gateway, ada))["id"], await publish(gateway, settle, bob)
    gateway.app[READER].terminate()

    answer = await show(gateway, mine, ada)
    assert (answer.status, answer.body["state"]) == (200, "processing")
    assert answer.headers["Heliograph-Degraded"] == "metadata"
    assert (await gateway.ask("DELETE", f"/v1/posts/{mine}", ada)).status == 202
    answer = await show(gateway, theirs, ada)
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert (await gateway.ask("DELETE", f"/v1/posts/{theirs}", bob)).status == 202
