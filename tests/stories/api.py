"""What an app does on the site, one method each."""

import asyncio
import secrets
from dataclasses import dataclass
from io import BytesIO

from aiohttp import FormData
from PIL import Image

PASSWORD = "correct horse"
RETRY_SECONDS = 2


def photo(colour="teal", size=(480, 360)):
    """A small JPEG."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def form_of(photos, caption, alts):
    form = FormData()
    for alt in alts:
        form.add_field("alt", alt)
    for index, each in enumerate(photos):
        form.add_field("photo", each, filename=f"{index}.jpg", content_type="image/jpeg")
    form.add_field("caption", caption)
    return form


@dataclass
class Member:
    """Somebody with an account, and the token of a session."""

    username: str
    token: str
    id: str


class Api:
    """What an app does, one method each; every answer must have the status that is expected."""

    photo = staticmethod(photo)

    def __init__(self, client):
        self.client = client

    async def call(self, method, path, member=None, **options):
        headers = dict(options.pop("headers", {}))
        if member:
            headers["Authorization"] = f"Bearer {member.token}"
        async with self.client.request(method, path, headers=headers, **options) as answer:
            body = await (answer.json() if "json" in answer.content_type else answer.read())
            return answer.status, body

    async def get(self, path, member=None, status=200, **options):
        return await self._expect(status, "GET", path, member, **options)

    async def put(self, path, member=None, status=202, **options):
        return await self._expect(status, "PUT", path, member, **options)

    async def patch(self, path, member=None, status=202, **options):
        return await self._expect(status, "PATCH", path, member, **options)

    async def delete(self, path, member=None, status=202, **options):
        return await self._expect(status, "DELETE", path, member, **options)

    async def post(self, path, member=None, status=202, **options):
        return await self._expect(status, "POST", path, member, **options)

    async def _expect(self, status, *arguments, **options):
        got, body = await self.call(*arguments, **options)
        assert got == status, (arguments[:2], got, body)
        return body

    async def register(self, name, password=PASSWORD):
        """An account of that name and a few letters more: one site may hear many stories."""
        username = f"{name}_{secrets.token_hex(4)}"
        command = {"username": username, "password": password}
        body = await self.post("/v1/accounts", status=201, json=command)
        return Member(username, body["token"], body["account"]["id"])

    async def publish(self, member, *photos, caption="", alts=(), headers=None):
        """Upload, and give the post's id.

        A storage that was silent for a moment is tried again, as the answer says: behind a thousand
        other tests the disk of a site that has just started may be.
        """
        attempts = 3
        while True:
            form = form_of(photos or (photo(),), caption, alts)
            asked = "POST", "/v1/posts", member
            status, body = await self.call(*asked, data=form, headers=headers or {})
            attempts -= 1
            if status != 503 or body["code"] != "objects-unavailable" or not attempts:
                break
            await asyncio.sleep(RETRY_SECONDS)
        assert status == 202, body
        return body["id"]

    async def follow(self, follower, followee):
        return await self.put(f"/v1/accounts/{followee.username}/follow", follower)

    async def unfollow(self, follower, followee):
        return await self.delete(f"/v1/accounts/{followee.username}/follow", follower)

    async def feed(self, member, limit=30):
        """The ids of the whole feed, page by page."""
        return [item["id"] for item in await self.items("/v1/feed", member, limit)]

    async def items(self, path, member, limit=30):
        found, query = [], {"limit": str(limit)}
        while True:
            page = await self.get(path, member, params=query)
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]
