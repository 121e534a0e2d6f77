"""Members who do all that members do, one thing at a time each, and write down how it went.

The record is the only thing the checker believes: a line of JSON for each command.
"""

import asyncio
import hashlib
import json
import random
from io import BytesIO

import aiohttp
from PIL import Image

from tests.faults.asking import ANSWER_SECONDS, ask, insist

PASSWORD = "correct horse battery"
PATIENCE_SECONDS = 60
LIFE_COMMANDS = 40
"""What one member does before another takes the place: sign-ups go on all the time."""
PAUSE_SECONDS = 0.4

WISHES = {
    "upload": 30,
    "follow": 22,
    "unfollow": 8,
    "edit": 12,
    "privacy": 10,
    "delete": 8,
    "sign_in": 5,
}


class Record:
    """The clients' own account of what they did, one JSON object a line."""

    def __init__(self, path):
        self.path, self._file = path, path.open("w", encoding="utf-8", buffering=1)
        self.lines = 0

    def write(self, **line):
        self.lines += 1
        self._file.write(json.dumps(line) + "\n")

    def close(self):
        self._file.close()


class Load:
    """All members: those whose sign-up was answered, and who changed their privacy last."""

    def __init__(self, address, record, dice):
        self.address, self.record, self.dice = address, record, dice
        self.members = []
        self.changed = None
        self.born = 0
        self.stopping = asyncio.Event()

    async def run(self, clients):
        """Until `stopping` is set; then each member finishes what it is at."""
        wait = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=wait, connector=connector) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for seat in range(clients):
                dice = random.Random(self.dice.random())
                tasks.create_task(self.seat(session, dice), name=f"seat {seat}")

    async def seat(self, session, dice):
        while not self.stopping.is_set():
            self.born += 1
            member = Member(self, session, f"m{self.born}_{dice.randrange(10**6)}", dice)
            await member.live()


class Member:
    """One account, acting in sequence, so that what it did last is known."""

    def __init__(self, load, session, username, dice):
        self.load, self.session, self.username, self.dice = load, session, username, dice
        self.token = None
        self.commands = 0
        self.posts, self.followed = [], []
        self.photos = []

    async def live(self):
        registered = await self.register()
        if registered is None:
            return
        self.token = registered["token"]
        self.load.members.append(self.username)
        for _ in range(LIFE_COMMANDS):
            if self.load.stopping.is_set():
                return
            wish = self.dice.choices([*WISHES], [*WISHES.values()])[0]
            await getattr(self, wish)()
            await asyncio.sleep(self.dice.random() * PAUSE_SECONDS)

    async def do(self, does, sending, **about):
        """Insist on one command and record it; its answer if it went well."""
        method, path, more, keyed = sending
        self.commands += 1
        key = f"{self.username}-{self.commands}" if keyed else None

        async def attempt():
            body = more() if callable(more) else more
            url = self.load.address + path
            return await ask(self.session, method, url, self.token, key=key, **body)

        outcome = await insist(attempt, PATIENCE_SECONDS)
        self.load.record.write(
            who=self.username,
            does=does,
            about=about,
            key=key,
            outcome=outcome.outcome,
            status=outcome.answer.status,
            body=outcome.answer.body,
            began=outcome.began,
            ended=outcome.ended,
            # With a key, a stray attempt acts as the answered one did, or not at all.
            strays=0 if keyed and outcome.outcome == "ok" else outcome.strays,
            replayed=outcome.answer.replayed,
            attempts=outcome.attempts,
            faults=outcome.faults,
        )
        return outcome.answer.body if outcome.outcome == "ok" else None

    async def register(self):
        command = {"username": self.username, "password": PASSWORD}
        sending = "POST", "/v1/accounts", {"json": command}, True
        return await self.do("register", sending, command=command)

    async def sign_in(self):
        command = {"username": self.username, "password": PASSWORD}
        sending = "POST", "/v1/sessions", {"json": command}, True
        if answer := await self.do("sign_in", sending):
            self.token = answer["token"]

    async def upload(self):
        photos = [self.photo() for _ in range(self.dice.choice((1, 1, 1, 2)))]
        caption = f"{self.username} {self.commands}"
        sending = "POST", "/v1/posts", lambda: {"data": form_of(photos, caption)}, True
        digests = [hashlib.sha256(photo).hexdigest() for photo in photos]
        if answer := await self.do("upload", sending, caption=caption, photos=digests):
            self.posts.append(answer["id"])

    def photo(self):
        """A few KB; now and then the bytes of an earlier one, of anybody's."""
        if self.photos and self.dice.random() < 0.15:
            return self.dice.choice(self.photos)
        photo = picture(self.dice)
        self.photos.append(photo)
        return photo

    async def delete(self):
        if self.posts:
            post = self.posts.pop(self.dice.randrange(len(self.posts)))
            await self.do("delete", ("DELETE", f"/v1/posts/{post}", {}, False), post=post)

    async def edit(self):
        fields = {
            name: f"{name} {self.commands}"
            for name in self.dice.choice((["bio"], ["display_name"], ["bio", "display_name"]))
        }
        await self.patch(fields)

    async def privacy(self):
        await self.patch({"private": self.dice.random() < 0.5})
        self.load.changed = self.username

    async def patch(self, fields):
        await self.do("edit", ("PATCH", "/v1/me", {"json": fields}, False), fields=fields)

    async def follow(self):
        others = [each for each in self.load.members[-40:] if each != self.username]
        if others:
            other = self.dice.choice(others)
            # At a door that was just opened or closed, order matters most.
            if self.load.changed in others and self.dice.random() < 0.5:
                other = self.load.changed
            self.followed.append(other)
            await self.do("follow", ("PUT", f"/v1/accounts/{other}/follow", {}, False), other=other)

    async def unfollow(self):
        if self.followed:
            other = self.dice.choice(self.followed)
            path = f"/v1/accounts/{other}/follow"
            await self.do("unfollow", ("DELETE", path, {}, False), other=other)


def picture(dice):
    """A small JPEG; one in five is of few colours and one size, and others draw the same."""
    if dice.random() < 0.2:
        size, colours = (64, 48), [(40 * dice.randrange(6), 90, 200), (200, 90, 40)]
    else:
        size = dice.randrange(48, 96), dice.randrange(48, 96)
        colours = [tuple(dice.randrange(256) for _ in range(3)) for _ in range(2)]
    image = Image.new("RGB", size, colours[0])
    image.paste(colours[1], (0, 0, size[0] // 2, size[1] // 2))
    written = BytesIO()
    image.save(written, "JPEG", quality=85)
    return written.getvalue()


def form_of(photos, caption):
    form = aiohttp.FormData()
    for photo in photos:
        form.add_field("photo", photo, filename="photo.jpg", content_type="image/jpeg")
    form.add_field("caption", caption)
    return form
