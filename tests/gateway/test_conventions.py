import asyncio
import json
import re
import time

import pytest

from gateway.app import all_routes
from tests.gateway.serving import raw, serving

JSON = {"Content-Type": "application/json"}


async def test_a_refusal_is_a_problem_document(gateway):
    """RFC 9457, with our code and the request's id."""
    answer = await gateway.ask("GET", "/v1/me", headers={"X-Request-Id": "mine-1"})

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"] == "mine-1"
    assert answer.body == {
        "type": "/problems/unauthenticated",
        "title": "Unauthorized",
        "status": 401,
        "detail": answer.body["detail"],
        "code": "unauthenticated",
        "instance": "mine-1",
    }


@pytest.mark.parametrize("given", [None, "", "with space", "x" * 65, "{json}"])
async def test_every_answer_has_a_request_id(gateway, given):
    """A client's own is taken when it is a sane one."""
    headers = {} if given is None else {"X-Request-Id": given}
    answer = await gateway.ask("GET", "/nowhere", headers=headers)

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


async def test_an_unknown_path_is_404(gateway):
    answer = await gateway.ask("GET", "/v1/nothing")

    assert (answer.status, answer.body["code"]) == (404, "not-found")


async def test_a_wrong_method_is_told_the_right_ones(gateway):
    answer = await gateway.ask("DELETE", "/v1/me/password")

    assert answer.status == 405
    assert answer.headers["Allow"] == "OPTIONS, PUT"


@pytest.mark.parametrize("role", ["read", "write"])
async def test_both_sides_know_every_path(settings, clean_site, role):
    """405 and `Allow` are the same on either; what belongs to the other is not served."""
    async with serving(settings, role) as gateway:
        refused = await gateway.ask("PATCH", "/v1/sessions")
        mine = await gateway.ask("GET" if role == "read" else "PUT", "/v1/me/password")
        other = await gateway.ask(*(("GET", "/v1/me") if role == "write" else ("PATCH", "/v1/me")))

    assert (refused.status, refused.headers["Allow"]) == (405, "DELETE, OPTIONS, POST")
    assert mine.status in (401, 405)
    assert (other.status, other.body["code"]) == (421, "misdirected")


async def test_head_answers_as_get_without_a_body(gateway, ada):
    got = await gateway.ask("GET", "/v1/me", ada)
    head = await gateway.ask("HEAD", "/v1/me", ada)

    assert (head.status, head.raw) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.raw))
    assert head.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n", 400),
        (
            b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET / HTTP/1.1\r\nAccept: text/html\r\nX\x00: y\r\n\r\n", 400),
    ],
)
async def test_what_is_not_http_gets_a_problem_document(gateway, sent, status):
    """Not HTML, not the parser's own words, and the connection ends."""
    answer = await raw(gateway, sent)
    head, _, body = answer.partition(b"\r\n\r\n")

    assert head.split()[1] == str(status).encode()
    assert b"application/problem+json" in head
    assert b"X-Request-Id" in head
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("target", [b"GET /v1/me", b"GET /nowhere", b"PUT /v1/feed"])
async def test_an_unknown_expectation_is_417(gateway, target):
    """Refused before anything else is looked at, and as every other refusal is."""
    head = b"Host: x\r\nExpect: foo\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n"
    answer = await raw(gateway, target + b" HTTP/1.1\r\n" + head)
    head, _, body = answer.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 417 ")
    assert head.count(b"X-Request-Id: mine") == 1
    assert b"application/problem+json" in head
    assert json.loads(body)["instance"] == "mine"


async def test_a_failure_of_ours_says_nothing_of_its_cause(gateway, ada, monkeypatch):
    """500 with the request's id; the traceback is in the log only."""

    async def broken(*_):
        raise ValueError("a secret detail")

    monkeypatch.setattr("gateway.accounts.account_by_id", broken)
    answer = await gateway.ask("GET", "/v1/me", ada, headers={"Accept": "application/json"})

    assert (answer.status, answer.body["code"]) == (500, "internal-error")
    assert b"secret" not in answer.raw


@pytest.mark.parametrize("value", ["x", "-1", "9223372036854775808", "1" * 40, "1.0", "%d9%a1"])
async def test_an_id_that_is_none_is_404(gateway, ada, value):
    answer = await gateway.ask("GET", f"/v1/posts/{value}", ada)

    assert answer.status == 404


async def test_the_interface_describes_itself(gateway):
    """OpenAPI 3.1 with every route, generated from the structs; nothing dangles."""
    answer = await gateway.ask("GET", "/openapi.json")
    document = answer.body
    declared = {(route.method.lower(), route.path) for route in all_routes()}
    described = {(method, path) for path, each in document["paths"].items() for method in each}
    references = set(re.findall(rb'"#/components/schemas/([^"]+)"', answer.raw))

    assert document["openapi"].startswith("3.1")
    assert {(m, re.sub(r"{(\w+):[^}]*}", r"{\1}", path)) for m, path in declared} == described
    assert {each.decode() for each in references} <= set(document["components"]["schemas"])
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


async def test_the_docs_need_nothing_from_elsewhere(gateway):
    """One page: no script, no address of another site, every route in it."""
    answer = await gateway.ask("GET", "/docs", headers={"Accept": "text/html"})
    page = answer.raw.decode()

    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<script" not in page
    assert not re.search(r"(src|href)=.(https?:)?//", page)
    for route in all_routes():
        assert re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path) in page


async def test_an_engine_that_hangs_delays_nobody_over_two_seconds(settings, clean_site):
    """Postgres takes connections and never answers: 503 with Retry-After, in time."""

    async def hang(reader, writer):
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    url = f"postgresql://somebody@127.0.0.1:{port}/nothing"
    try:
        async with serving(settings.replace(database_reader_url=url)) as gateway:
            ada = await gateway.sign_up("ada")
            began = time.monotonic()
            answer = await gateway.ask("GET", "/v1/accounts/ada/followers", ada)
            taken = time.monotonic() - began
        await asyncio.sleep(0.05)  # the silent server sees its connections end
    finally:
        silent.close()

    assert (answer.status, answer.body["code"]) == (503, "metadata-unavailable")
    assert taken < 2.5


async def test_without_the_log_nobody_is_recognised_and_nothing_is_recorded(settings, clean_site):
    """A gateway that starts while the log is down refuses, clearly, until it has read it."""
    away = settings.replace(log_url="redis://127.0.0.1:1")
    async with serving(away, ready=False) as gateway:
        began = time.monotonic()
        command = {"username": "ada", "password": "correct horse"}
        answer = await gateway.ask("POST", "/v1/accounts", json=command)

    assert (answer.status, answer.body["code"]) == (503, "log-unavailable")
    assert time.monotonic() - began < 3
