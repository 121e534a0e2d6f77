import time

import pytest

from gateway import bodies, listening
from tests.gateway.serving import raw

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"bio": "\xff"}',
        b'{"bio": "\\ud800"}',
        b'{"bio": "x"} trailing',
        b'{"x":' + b"[" * 50_000,
        b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
async def test_malformed_json_is_400(gateway, ada, body):
    answer = await gateway.ask("PATCH", "/v1/me", ada, data=body, headers=JSON)

    assert (answer.status, answer.body["code"]) == (400, "malformed-json")
    assert answer.body["detail"] in ("the body is not JSON in UTF-8", "the JSON is nested too deep")


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"bio": 1}', b'{"private": 1}'])
async def test_json_of_another_shape_is_422(gateway, ada, body):
    answer = await gateway.ask("PATCH", "/v1/me", ada, data=body, headers=JSON)

    assert answer.status == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        JSON | {"Content-Encoding": "gzip"},
    ],
)
async def test_another_media_type_is_415(gateway, ada, headers):
    answer = await gateway.ask("PATCH", "/v1/me", ada, data=b"{}", headers=headers)

    assert (answer.status, answer.body["code"]) == (415, "unsupported-media")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_too_large_is_413(gateway, ada, chunked):
    """With Content-Length before a byte is read, without it as soon as it is too much."""
    data = b'{"bio": "%s"}' % (b"x" * bodies.MAX_BYTES)

    async def pieces():
        yield data[:1000]
        yield data[1000:]

    body = pieces() if chunked else data
    answer = await gateway.ask("PATCH", "/v1/me", ada, data=body, headers=JSON)

    assert (answer.status, answer.body["code"]) == (413, "too-large")


async def test_a_body_that_trickles_ends_in_408(gateway, ada, monkeypatch):
    """One byte a second is not waited for."""
    monkeypatch.setattr(bodies, "SECONDS", 0.3)
    monkeypatch.setitem(listening.LIMITS, "lingering_time", 0.2)
    began = time.monotonic()
    head = (
        f"PATCH /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n"
    )
    answer = await raw(gateway, head.encode(), b"{", seconds=9)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"too-slow"' in answer
    assert time.monotonic() - began < 9
