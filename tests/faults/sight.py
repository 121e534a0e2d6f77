"""All that can be seen of a site from outside: over HTTP, and by listing its objects.

It imports nothing of the project: what the project believes of itself is no evidence.
"""

import asyncio
import json
import math
import re
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

AT_ONCE = 16
PAGE = 11
"""Small pages: most lists then have several, and every cursor is used."""
TRIES = 5
GAUGES = {
    "pending": "heliograph_group_pending",
    "lag": "heliograph_group_lag_entries",
    "letters": "heliograph_dead_letters_standing",
}


class Looker:
    """One who asks, a few questions at a time."""

    def __init__(self, session, address):
        self.session, self.address = session, address
        self.turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, path, token=None):
        """Status and body; what cannot be answered now is asked again."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = path if path.startswith("http") else self.address + path
        for attempt in range(TRIES):
            async with self.turns, self.session.get(url, headers=headers) as answer:
                is_json = answer.content_type.endswith("json")
                raw = await answer.read()
                body = json.loads(raw) if is_json else raw.decode(errors="replace")
            if answer.status not in (429, 500, 503):
                break
            await asyncio.sleep(0.5 * attempt)
        return answer.status, body

    async def pages(self, path, token):
        """Every page of a list, each as its items; the status where one is refused."""
        pages, cursor = [], ""
        while True:
            status, body = await self.get(f"{path}?limit={PAGE}{cursor}", token)
            if status != 200:
                return status
            pages.append(body["items"])
            if body["next"] is None:
                return pages
            cursor = f"&cursor={body['next']}"

    async def member(self, member, stranger):
        """What this member is shown; `stranger` is the token of one who may see nothing private."""
        token, path = member.token, f"/v1/accounts/{member.username}"
        _, account = await self.get("/v1/me", token)
        lists = {
            name: await self.pages(f"{path}/{name}", token)
            for name in ("posts", "followers", "following")
        }
        ids = [each.post_id for each in member.uploads if each.post_id]
        events = member.events
        return {
            "account": account,
            **lists,
            "feed": await self.pages("/v1/feed", token),
            "edges": {other: await self.edge(other, token) for other in member.wishes},
            "single": dict(zip(ids, await self.statuses("/v1/posts/{}", ids, token), strict=True)),
            "commands": dict(zip(events, await self.states(events, token), strict=True)),
            "again": await self.register_again(member),
            "to_a_stranger": (await self.get(f"{path}/posts", stranger))[0] if stranger else None,
        }

    async def register_again(self, member):
        """Status, id, and whether it is called a replay: with the key of the first time."""
        url, headers = f"{self.address}/v1/accounts", {"Idempotency-Key": member.key}
        async with (
            self.turns,
            self.session.post(url, json=member.command, headers=headers) as answer,
        ):
            account = (await answer.json(content_type=None)).get("account", {})
            return [answer.status, account.get("id"), "Idempotency-Replayed" in answer.headers]

    async def edge(self, other, token):
        status, account = await self.get(f"/v1/accounts/{other}", token)
        return account["viewer"]["following"] if status == 200 else status

    async def statuses(self, path, names, token=None):
        found = await asyncio.gather(*(self.get(path.format(each), token) for each in names))
        return [status for status, _ in found]

    async def states(self, events, token):
        paths = [f"/v1/commands/{each}" for each in events]
        found = await asyncio.gather(*(self.get(each, token) for each in paths))
        return [body.get("state", status) for status, body in found]


async def look(address, model, objects_url, operations):
    """Everything, as one plain dictionary. `operations`: worker → the address of its metrics."""
    async with looking(address) as looker:
        known = [each for each in model.members.values() if each.token]
        seen = dict(
            zip((each.username for each in known), await everybody(looker, known), strict=True)
        )
        doubtful = [name for name, each in model.members.items() if not each.certain]
        urls = sorted({url for each in seen.values() for url in renditions_of(each["posts"])})
        return {
            "members": seen,
            "doubtful": dict(
                zip(doubtful, await looker.statuses("/v1/accounts/{}", doubtful), strict=True)
            ),
            "photos": dict(zip(urls, await looker.statuses("{}", urls), strict=True)),
            "objects": await list_objects(objects_url),
            "expected": sorted(operations),
            "workers": await gauges(looker, operations),
        }


@asynccontextmanager
async def looking(address):
    wait = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=wait) as session:
        yield Looker(session, address)


async def everybody(looker, members):
    """Each with a stranger: the first who never wished to follow them."""

    def stranger_to(member):
        return next(
            (
                each.token
                for each in members
                if each is not member and member.username not in each.wishes
            ),
            None,
        )

    return await asyncio.gather(*(looker.member(each, stranger_to(each)) for each in members))


def renditions_of(pages):
    if isinstance(pages, int):
        return []
    photos = (photo for page in pages for post in page for photo in post["photos"])
    return [each["url"] for photo in photos for each in photo["renditions"]]


async def list_objects(url):
    """Every key of the bucket."""
    parts = urlsplit(url)
    client = get_session().create_client(
        "s3",
        endpoint_url=f"{parts.scheme}://{parts.hostname}:{parts.port}",
        aws_access_key_id=unquote(parts.username),
        aws_secret_access_key=unquote(parts.password),
        region_name="us-east-1",
        config=AioConfig(s3={"addressing_style": "path"}),
    )
    async with client as s3:
        listing = s3.get_paginator("list_objects_v2").paginate(Bucket=parts.path.strip("/"))
        return [each["Key"] async for page in listing for each in page.get("Contents", ())]


async def gauges(looker, operations):
    """Name of worker → what it publishes of its group, summed over topics; NaN if it does not."""
    found = {}
    for name, address in operations.items():
        status, text = await looker.get(f"{address}/metrics")
        found[name] = {
            what: total(gauge, text) if status == 200 else math.nan
            for what, gauge in GAUGES.items()
        }
    return found


def total(gauge, text):
    values = re.findall(rf"^{gauge}{{.*}} (\S+)$", text, re.MULTILINE)
    return sum(map(float, values)) if values else math.nan
