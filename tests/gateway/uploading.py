"""An account that uploads to a gateway of its own, well or badly."""

import asyncio
from contextlib import asynccontextmanager
from io import BytesIO
from secrets import token_hex

from aiohttp import MultipartWriter

from bench.photos import camera_photo
from events.ids import Address
from gateway.keys import LOG, OBJECTS
from stores.objects import STAGING
from tests.gateway.serving import serving

MEBIBYTE = 1024 * 1024
JPEG = camera_photo(width=320, height=240)
HEAD = b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n'


class Uploader:
    """An account that uploads, and what can be seen of it afterwards."""

    def __init__(self, gateway, person):
        self.gateway, self.person, self.app = gateway, person, gateway.app

    async def send(self, *parts, headers=None, **fields):
        """POST the parts (name, value), in order; the answer and its JSON."""
        form = MultipartWriter("form-data")
        for name, value in (*parts, *fields.items()):
            part = form.append(BytesIO(value) if isinstance(value, bytes) else value)
            part.set_content_disposition("form-data", name=name)
        return await self.post(form, headers)

    async def post(self, body, headers=None):
        answer = await self.gateway.ask(
            "POST", "/v1/posts", self.person, data=body, headers=headers
        )
        return answer, answer.body

    async def begin(self, headers, sent):
        """Begin an upload by hand: the connection, with these bytes of the body sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        writer.write(
            "POST /v1/posts HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {self.person.token}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\n{headers}\r\n".encode()
            + sent
        )
        return reader, writer

    async def event(self, answer):
        return (await self.app[LOG].event_at(Address.parse(answer["event"]))).event

    async def staged(self):
        return {each.key async for each in self.app[OBJECTS].list(STAGING)}


@asynccontextmanager
async def uploading(settings):
    """Ada, signed up on a gateway of her own; nothing is staged."""
    async with serving(settings, "write") as gateway:
        person = await gateway.sign_up(f"ada_{token_hex(6)}")
        objects = gateway.app[OBJECTS]
        await objects.delete([each.key async for each in objects.list(STAGING)])
        yield Uploader(gateway, person)


async def refused(ada, status, code, *parts, **fields):
    """The problem of an upload that is refused, having shown that it left nothing behind."""
    response, problem = await ada.send(*parts, **fields)
    assert (response.status, problem["code"]) == (status, code), problem
    assert response.headers["Content-Type"] == "application/problem+json"
    assert await ada.staged() == set()
    return problem


async def raw_answer(ada, headers, sent):
    """What the gateway answers to the beginning of an upload, while we hold back the rest."""
    reader, writer = await ada.begin(headers, sent)
    try:
        async with asyncio.timeout(5):
            return await reader.readuntil(b"}")
    finally:
        writer.close()
