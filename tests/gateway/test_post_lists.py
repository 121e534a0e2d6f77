import pytest

from tests.gateway.publishing import publish


@pytest.fixture
async def ada(gateway):
    return await gateway.sign_up("ada", display_name="Ada")


@pytest.fixture
async def bob(gateway):
    return await gateway.sign_up("bob")


async def test_an_accounts_posts_are_listed_newest_first(gateway, settle, ada, bob):
    """Page by page none twice and none missing, while posts come and go between pages."""
    ids = [await publish(gateway, settle, ada, caption=str(n)) for n in range(7)]
    listed, path = [], "/v1/accounts/Ada/posts?limit=2"
    while path:
        answer = await gateway.ask("GET", path, bob)
        listed += [item["id"] for item in answer.body["items"]]
        following = answer.body["next"]
        assert ("Link" in answer.headers) == (following is not None)
        path = f"/v1/accounts/ada/posts?limit=2&cursor={following}" if following else None
        if len(listed) == 2:
            await publish(gateway, settle, ada, caption="newer")
            await gateway.ask("DELETE", f"/v1/posts/{ids[0]}", ada)
            await settle()

    assert listed == ids[:0:-1]


async def test_lists_refuse_what_is_wrong(gateway, ada):
    """Unknown names are 404; cursors edited by hand and wrong limits 422."""
    assert (await gateway.ask("GET", "/v1/accounts/nobody/posts", ada)).status == 404
    for query in ("limit=0", "limit=101", "limit=x", "cursor=x", "cursor=AQAA"):
        assert (await gateway.ask("GET", f"/v1/accounts/ada/posts?{query}", ada)).status == 422
