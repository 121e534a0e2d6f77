"""A small client of the HTTP API: what the demo and the benches do, as a person's app would."""

import secrets
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import aiohttp

PASSWORD = "correct horse battery staple"  # noqa: S105  (of made-up people on a local site)


class Person(NamedTuple):
    """An account and the token of its session."""

    username: str
    account_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Refused(Exception):
    """The site answered with a problem document, or with another status than expected."""

    def __init__(self, method: str, path: str, status: int, text: str) -> None:
        super().__init__(f"{method} {path} answered {status}: {text[:500]}")
        self.status = status


class Site:
    """One site, by its address. Close what `session` was opened with, not this."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.address = address.rstrip("/")

    async def answers(self) -> bool:
        """Whether a whole site stands behind the address: both gateways answer as ours do."""
        try:
            for method in ("GET", "POST"):
                path = "/v1/feed" if method == "GET" else "/v1/posts"
                async with self.session.request(method, self.address + path) as response:
                    if response.status != 401 or "X-Request-Id" not in response.headers:
                        return False
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        return True

    async def sign_up(self, name: str, **fields: Any) -> Person:
        """A new account whose username begins with `name`."""
        username = f"{name}_{secrets.token_hex(5)}"
        command = {"username": username, "password": PASSWORD, "display_name": name.title()}
        answer = await self.call("POST", "/v1/accounts", 201, json=command | fields)
        return Person(username, answer["account"]["id"], answer["token"])

    async def follow(self, follower: Person, followee: Person) -> None:
        """Returns when every later read shows it."""
        path = f"/v1/accounts/{followee.username}/follow"
        answer = await self.call("PUT", path, 202, follower)
        await self.settled(follower, answer["event"])

    async def settled(self, person: Person, event: str) -> None:
        path = f"/v1/commands/{event}?wait=10"
        status = await self.call("GET", path, 200, person)
        if status["state"] != "applied":
            raise Refused("GET", path, 200, str(status))

    async def upload(
        self, person: Person, photos: Sequence[bytes], caption: str = "", alt: str = ""
    ) -> dict[str, Any]:
        """What the site answers once the post is durable."""
        form = aiohttp.FormData()
        for photo in photos:
            file = BytesIO(photo)
            form.add_field("photo", file, filename="IMG_0001.jpg", content_type="image/jpeg")
        form.add_field("caption", caption)
        if alt:
            form.add_field("alt", alt)
        return await self.call("POST", "/v1/posts", 202, person, data=form)

    async def post(self, person: Person, post_id: str, *, wait: int = 0) -> dict[str, Any]:
        return await self.call("GET", f"/v1/posts/{post_id}?wait={wait}", 200, person)

    async def feed(self, person: Person, limit: int = 30) -> list[dict[str, Any]]:
        answer = await self.call("GET", f"/v1/feed?limit={limit}", 200, person)
        return list(answer["items"])

    async def photo(self, url: str) -> bytes:
        """The bytes behind a rendition's address, asked for as a browser does: without a token."""
        whole = url if url.startswith("http") else self.address + url
        async with self.session.get(whole) as response:
            if response.status != 200:
                raise Refused("GET", url, response.status, await response.text())
            return await response.read()

    async def call(
        self, method: str, path: str, expected: int, person: Person | None = None, **body: Any
    ) -> dict[str, Any]:
        headers = person.headers if person else {}
        async with self.session.request(
            method, self.address + path, headers=headers, **body
        ) as response:
            if response.status != expected:
                raise Refused(method, path, response.status, await response.text())
            return dict(await response.json())
