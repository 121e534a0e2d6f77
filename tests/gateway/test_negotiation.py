"""What clients say they take, and what browsers of other sites may send and see."""

import pytest


async def test_browsers_of_other_sites_may_ask(gateway):
    """CORS is open: a bearer token is no cookie that a browser would add by itself."""
    asked = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = await gateway.ask("OPTIONS", "/v1/me", headers=asked)

    assert (answer.status, answer.raw) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "range", "if-none-match", "if-range"} <= set(allowed)
    assert "Allow" in answer.headers


async def test_browsers_of_other_sites_see_what_answers_say(gateway):
    """Headers that a client needs are not kept from its script."""
    answer = await gateway.ask("GET", "/v1/me")
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))

    assert {"Content-Range", "Accept-Ranges", "Allow", "WWW-Authenticate"} <= exposed
    assert {"ETag", "Link", "Location", "Retry-After", "X-Request-Id"} <= exposed


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("text/html, */*;q=0.1", 200),
        ("application/*", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("*/*, application/json;q=0.0", 406),
    ],
)
async def test_what_a_client_does_not_take_is_not_sent(gateway, ada, accept, status):
    answer = await gateway.ask("GET", "/v1/me", ada, headers={"Accept": accept})

    assert answer.status == status


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["text/html", "application/json"], 200),
        (["text/html", "image/*"], 406),
        (["*/*", "application/json;q=0"], 406),
    ],
)
async def test_several_accept_lines_are_one_list(gateway, ada, lines, status):
    headers = [("Authorization", f"Bearer {ada.token}"), *(("Accept", each) for each in lines)]
    url = f"http://127.0.0.1:{gateway.port}/v1/me"
    async with gateway.client.get(url, headers=headers) as answer:
        assert answer.status == status
