import time

import pytest

from events.ids import MAX_ID
from stores import publications
from stores.publications import Publication
from tests.gateway.publishing import (
    announce_published,
    make_private,
    publish,
    show,
    submit,
    until_status,
)


@pytest.fixture
async def ada(gateway):
    return await gateway.sign_up("ada", display_name="Ada")


@pytest.fixture
async def bob(gateway):
    return await gateway.sign_up("bob")


async def test_a_deleted_post_is_gone_before_the_row_says_so(gateway, settle, ada, bob):
    """The notice hides it from everyone at once; deleting again is accepted again."""
    post_id = await publish(gateway, settle, ada)
    assert (await show(gateway, post_id, bob)).status == 200
    deleted = await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)
    assert deleted.status == 202
    assert deleted.body["event"].startswith("posts.")
    await until_status(gateway, f"/v1/posts/{post_id}", 410, bob)

    for settled in (False, True):
        if settled:
            await settle()
        for person in (ada, bob):
            answer = await show(gateway, post_id, person)
            assert (answer.status, answer.body["code"]) == (410, "gone")
        assert (await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)).status == 202
    assert (await gateway.ask("GET", "/v1/accounts/ada/posts", bob)).body["items"] == []


async def test_a_post_can_be_deleted_while_it_is_processed(gateway, settle, ada):
    """And does not come back when its photos are done."""
    submitted = await submit(gateway, ada)
    assert (await gateway.ask("DELETE", f"/v1/posts/{submitted['id']}", ada)).status == 202
    await announce_published(gateway, ada, submitted, b"\xff\xd8\xff y")
    await settle()

    assert (await show(gateway, submitted["id"], ada)).status == 410


async def test_what_was_deleted_before_it_was_published_was_never_there(
    gateway, settle, ada, bob, database
):
    """To strangers: by the notice, while the row still says published, and by the row."""
    await settle()
    submitted = await submit(gateway, ada)
    post_id = submitted["id"]
    assert (await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)).status == 202
    await until_status(gateway, f"/v1/posts/{post_id}", 410, ada)
    later = Publication(int(post_id), ada.id, time.time_ns() // 1_000_000, MAX_ID, "[]")
    await publications.write_publications(database, [later])
    assert (await show(gateway, post_id, bob)).status == 404

    await announce_published(gateway, ada, submitted, b"\xff\xd8\xff late")
    await settle()
    assert (await show(gateway, post_id, bob)).status == 404
    assert (await show(gateway, post_id, ada)).status == 410


async def test_what_was_never_published_is_no_loss_to_strangers(gateway, settle, ada, bob):
    """Its author learns that it is gone; to others it never was, by notice and by row."""
    deleted = (await submit(gateway, ada))["id"]
    await settle()
    assert (await show(gateway, deleted, ada)).status == 200
    assert (await gateway.ask("DELETE", f"/v1/posts/{deleted}", ada)).status == 202
    await until_status(gateway, f"/v1/posts/{deleted}", 410, ada)

    for settled in (False, True):
        if settled:
            await settle()
        assert (await show(gateway, deleted, ada)).status == 410
        assert (await show(gateway, deleted, bob)).status == 404
        assert (await gateway.ask("DELETE", f"/v1/posts/{deleted}", bob)).status == 404


async def test_only_its_author_deletes_a_post(gateway, settle, ada, bob):
    """403 for who may see it, 404 for who may not know of it."""
    published = await publish(gateway, settle, ada)
    processing = (await submit(gateway, ada))["id"]

    assert (await gateway.ask("DELETE", f"/v1/posts/{published}", bob)).status == 403
    assert (await gateway.ask("DELETE", f"/v1/posts/{processing}", bob)).status == 404
    await settle()
    assert (await show(gateway, published, bob)).status == 200


async def test_a_private_post_is_for_followers(gateway, settle, ada, bob):
    """To everybody else it does not exist, deleted or not."""
    cyd = await gateway.sign_up("cyd")
    await settle()
    await followed(gateway, settle, bob, ada)
    post_id = await publish(gateway, settle, ada)
    await make_private(gateway, ada)
    await until_status(gateway, f"/v1/posts/{post_id}", 404, cyd)

    assert (await show(gateway, post_id, bob)).status == 200
    assert (await show(gateway, post_id, ada)).status == 200
    assert (await gateway.ask("DELETE", f"/v1/posts/{post_id}", cyd)).status == 404
    assert (await gateway.ask("GET", "/v1/accounts/ada/posts", cyd)).status == 403
    assert len((await gateway.ask("GET", "/v1/accounts/ada/posts", bob)).body["items"]) == 1
    await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)
    await settle()
    assert (await show(gateway, post_id, cyd)).status == 404


async def followed(gateway, settle, follower, followee):
    answer = await gateway.ask("PUT", f"/v1/accounts/{followee.username}/follow", follower)
    assert answer.status == 202
    await settle()
