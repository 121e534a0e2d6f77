"""Every command a gateway takes: how it is sent, how a repeat is answered, and how it shows."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import ClientSession, FormData, UnixConnector

from tests.workers.posts import jpeg

PASSWORD, NEXT_PASSWORD = "correct horse", "battery staple"
PHOTO = jpeg(seed=86, size=(96, 72))


class Client:
    """A client of one gateway."""

    def __init__(self, socket):
        # A connection for each request: one that is kept would be the dead gateway's.
        self.session = ClientSession(connector=UnixConnector(str(socket), force_close=True))

    async def send(self, method, path, token="", key="", **options):
        """The status and the JSON of an answer, and whether it says that it is a repeated one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        address = f"http://heliograph{path}"
        async with self.session.request(method, address, headers=headers, **options) as answer:
            body = await answer.json() if "json" in answer.content_type else {}
            return answer.status, body, answer.headers.get("Idempotency-Replayed") == "true"


class Member(NamedTuple):
    """Somebody with a session, another session, a post, and somebody they follow."""

    name: str
    token: str
    other_token: str
    post: str
    friend: str
    stranger: str


class Command(NamedTuple):
    """`sent` makes the request's options, `shown` tells whether it took effect, once."""

    kind: str
    path: str
    sent: Callable[[Member], dict[str, Any]]
    shown: Callable[[Client, Member], Awaitable[bool]]
    repeated: tuple[int, ...] = (202,)
    """How a repeat may be answered when the first one counted."""


def a_form(member):
    form = FormData()
    form.add_field("photo", PHOTO, filename="a.jpg", content_type="image/jpeg")
    return {"data": form, "token": member.token}


def with_token(member):
    return {"token": member.token}


def with_json(**command):
    return lambda member: {"json": command, "token": member.token}


async def signs_in(client, name, password):
    command = {"username": name, "password": password}
    status, body, _ = await client.send("POST", "/v1/sessions", json=command)
    return body["token"] if status == 201 else None


async def profile(client, member, name):
    _, body, _ = await client.send("GET", f"/v1/accounts/{name}", token=member.token)
    return body


async def registered(client, member):
    return await signs_in(client, f"{member.name}x", PASSWORD) is not None


async def edited(client, member):
    return (await profile(client, member, member.name)).get("bio") == "Sun."


async def signed_in(client, member):
    return await signs_in(client, member.name, PASSWORD) is not None


async def ended(client, token):
    status, _, _ = await client.send("GET", "/v1/me", token=token)
    return status == 401


async def signed_out(client, member):
    return await ended(client, member.token) and not await ended(client, member.other_token)


async def signed_out_everywhere(client, member):
    return await ended(client, member.token) and await ended(client, member.other_token)


async def password_changed(client, member):
    return (
        await signs_in(client, member.name, PASSWORD) is None
        and await signs_in(client, member.name, NEXT_PASSWORD) is not None
        and await ended(client, member.other_token)
    )


async def counted(client, member, name, counter):
    return (await profile(client, member, name))["counts"][counter]


async def posted(client, member):
    return await counted(client, member, member.name, "posts") == 2


async def deleted(client, member):
    status, _, _ = await client.send("GET", f"/v1/posts/{member.post}", token=member.token)
    return status == 410 and await counted(client, member, member.name, "posts") == 0


async def followed(client, member):
    return await counted(client, member, member.stranger, "followers") == 1


async def unfollowed(client, member):
    return await counted(client, member, member.friend, "followers") == 0


async def erased(client, member):
    shown = await profile(client, member, member.name)
    gone = await signs_in(client, member.name, PASSWORD) is None
    return gone and shown["status"] == 401 and await ended(client, member.other_token)


COMMANDS = {
    ("POST", "/v1/accounts"): Command(
        "account.registered",
        "/v1/accounts",
        lambda member: {"json": {"username": f"{member.name}x", "password": PASSWORD}},
        registered,
        (201,),
    ),
    ("PATCH", "/v1/me"): Command("profile.edited", "/v1/me", with_json(bio="Sun."), edited),
    ("POST", "/v1/sessions"): Command(
        "session.opened",
        "/v1/sessions",
        lambda member: {"json": {"username": member.name, "password": PASSWORD}},
        signed_in,
        (201,),
    ),
    # The token that asks has ended with the first command, whose answer nobody saw.
    ("DELETE", "/v1/sessions/current"): Command(
        "sessions.revoked", "/v1/sessions/current", with_token, signed_out, (202, 401)
    ),
    ("DELETE", "/v1/sessions"): Command(
        "sessions.revoked", "/v1/sessions", with_token, signed_out_everywhere, (202, 401)
    ),
    # So has the old password.
    ("PUT", "/v1/me/password"): Command(
        "password.changed",
        "/v1/me/password",
        with_json(old=PASSWORD, new=NEXT_PASSWORD),
        password_changed,
        (202, 403),
    ),
    ("DELETE", "/v1/me"): Command(
        "account.erased", "/v1/me", with_json(password=PASSWORD), erased, (202, 401)
    ),
    ("POST", "/v1/posts"): Command("post.submitted", "/v1/posts", a_form, posted),
    ("DELETE", "/v1/posts/{id}"): Command(
        "post.deleted", "/v1/posts/{post}", with_token, deleted, (202, 410)
    ),
    ("PUT", "/v1/accounts/{username}/follow"): Command(
        "follow.requested", "/v1/accounts/{stranger}/follow", with_token, followed
    ),
    ("DELETE", "/v1/accounts/{username}/follow"): Command(
        "follow.withdrawn", "/v1/accounts/{friend}/follow", with_token, unfollowed
    ),
}
