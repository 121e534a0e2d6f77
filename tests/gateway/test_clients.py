"""Headers that reach events: cleaned, cut, and believed only from whom they may be."""

import json
from types import SimpleNamespace

import pytest

from events.ids import Address
from gateway.clients import MOST_USER_AGENT, address_of
from gateway.keys import LOG
from tests.gateway.serving import PASSWORD, raw

LOCAL, FAR = "127.0.0.1", "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "given", "address"),
    [
        (LOCAL, "198.51.100.7", "198.51.100.7"),
        ("", " 198.51.100.7 ", "198.51.100.7"),
        ("::1", "2001:DB8::1", "2001:db8::1"),
        (FAR, "198.51.100.7", "203.0.113.9"),
        (LOCAL, "", "127.0.0.1"),
        (LOCAL, "nonsense", "127.0.0.1"),
        (LOCAL, "198.51.100.7, 1.2.3.4", "127.0.0.1"),
        (LOCAL, "fe80::1%\udcff", "127.0.0.1"),
        (LOCAL, "\udcff", "127.0.0.1"),
    ],
)
def test_only_this_machine_vouches_for_an_address(peer, given, address):
    """The proxy names its client; anybody else who does is taken for themselves."""
    request = SimpleNamespace(remote=peer, headers={"X-Real-IP": given})

    assert address_of(request) == address


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(b"\xff\xfe", "??"), (b"caf\xc3\xa9/1", "café/1"), (b"x" * 999, "x" * MOST_USER_AGENT)],
)
async def test_any_bytes_may_be_a_user_agent(gateway, settle, log_client, sent, kept):
    """The session opens, and its event holds text."""
    await gateway.sign_up("ada")
    await settle()
    body = json.dumps({"username": "ada", "password": PASSWORD}).encode()
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"User-Agent: %b\r\nX-Real-IP: \xff\r\nX-Request-Id: \xff\r\n" % sent
    head += b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = await raw(gateway, head + body)

    assert answer.startswith(b"HTTP/1.1 201 ")
    assert kept in [event.user_agent for event in await sessions(gateway, log_client)]


async def sessions(gateway, log_client):
    """Every session's event in the log."""
    found = []
    for key in await log_client.keys("accounts:*"):
        partition = int(key.decode().strip("}").rpartition("{")[2])
        for position, fields in await log_client.xrange(key):
            if b"session.opened" in fields.values():
                address = Address.parse(f"accounts.{partition}.{position.decode()}")
                found.append((await gateway.app[LOG].event_at(address)).event)
    return found
