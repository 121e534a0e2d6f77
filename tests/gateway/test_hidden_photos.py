import pytest

from tests.gateway.publishing import make_private, publish, until_status, urls_of


@pytest.fixture
async def ada(gateway):
    return await gateway.sign_up("ada")


@pytest.fixture
async def post_id(gateway, settle, ada):
    return await publish(gateway, settle, ada)


@pytest.fixture
async def url(gateway, ada, post_id):
    return (await urls_of(gateway, post_id, ada))[640]


async def test_a_deleted_post_takes_its_photos_along(gateway, settle, ada, post_id, url):
    """Its addresses stop working with the notice, before any worker ran, and stay so."""
    assert (await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)).status == 202

    answer = await until_status(gateway, url, 403)
    assert answer.body["code"] == "hidden"
    assert answer.headers["Cache-Control"] == "no-store"
    await settle()
    assert (await gateway.ask("GET", url)).status == 403


async def test_public_addresses_of_an_account_that_went_private_stop_working(
    gateway, settle, ada, post_id, url
):
    """Whoever may still see the post finds new ones in it, which live ten minutes."""
    await make_private(gateway, ada)
    answer = await until_status(gateway, url, 403)
    assert answer.body["code"] == "hidden"
    await settle()

    private = (await urls_of(gateway, post_id, ada))[640]
    assert private != url
    answer = await gateway.ask("GET", private)
    assert answer.status == 200
    assert answer.headers["Cache-Control"].startswith("private, ")
    assert "s-maxage" not in answer.headers["Cache-Control"]
    assert int(answer.headers["Cache-Control"].split("max-age=")[1].split(",")[0]) <= 600


async def test_private_addresses_end_with_the_post(gateway, settle, ada, post_id):
    """Ten minutes is the longest; deletion is at once."""
    await make_private(gateway, ada)
    await settle()
    url = (await urls_of(gateway, post_id, ada))[640]
    assert (await gateway.ask("GET", url)).status == 200
    await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)

    await until_status(gateway, url, 403)


async def test_one_photo_of_two_people_hides_with_its_own_post_only(gateway, settle, ada, post_id):
    """Bytes stored once are reached through each post apart."""
    bob = await gateway.sign_up("bob")
    other = (await urls_of(gateway, await publish(gateway, settle, bob), bob))[640]
    url = (await urls_of(gateway, post_id, ada))[640]
    await gateway.ask("DELETE", f"/v1/posts/{post_id}", ada)

    await until_status(gateway, url, 403)
    assert (await gateway.ask("GET", other)).status == 200
