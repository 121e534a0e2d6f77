"""One request to the site, and what its client may believe of it afterwards."""

import asyncio
import time
from typing import NamedTuple

import aiohttp

ANSWER_SECONDS = 6
AGAIN_SECONDS = (0.1, 3)
"""The shortest and the longest pause before a repeat; between them, what `Retry-After` says."""


class Answer(NamedTuple):
    """Status 0: none came. `may_act`: it may have been recorded, or still be on its way."""

    status: int
    body: dict
    may_act: bool
    again_after: float | None
    replayed: bool = False


async def ask(session, method, url, token=None, *, key=None, **more):
    """One attempt. It may be repeated where `again_after` is a number of seconds."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if key:
        headers["Idempotency-Key"] = key
    try:
        async with session.request(method, url, headers=headers, **more) as response:
            body = await body_of(response)
            return judged(response, body)
    except aiohttp.ClientConnectorError:
        return Answer(0, {}, may_act=False, again_after=AGAIN_SECONDS[0])
    except (aiohttp.ClientError, OSError, TimeoutError):
        return Answer(0, {}, may_act=True, again_after=AGAIN_SECONDS[0])


async def body_of(response):
    if response.content_type not in ("application/json", "application/problem+json"):
        await response.read()
        return {}
    return await response.json(content_type=None)


def judged(response, body):
    status, code = response.status, body.get("code")
    # A first attempt is still under way with this key; or the site cannot now; or it is at fault.
    again = status in (429, 500, 502, 503) or (status == 409 and code != "username-taken")
    may_act = status in (500, 502) or code == "unknown-outcome" or (again and status == 409)
    replayed = "Idempotency-Replayed" in response.headers
    return Answer(status, body, may_act, pause(response) if again else None, replayed)


def pause(response):
    try:
        asked = float(response.headers.get("Retry-After", 0))
    except ValueError:
        asked = 0.0
    return min(max(asked, AGAIN_SECONDS[0]), AGAIN_SECONDS[1])


class Outcome(NamedTuple):
    """Of one command, its repeats included: what the record keeps."""

    outcome: str
    answer: Answer
    began: float
    ended: float
    strays: int
    """Attempts that got no answer, and may act later than the one that did."""
    attempts: int
    faults: int
    """Answers that say the site itself is broken."""


async def insist(attempt, patience_seconds):
    """Repeat the attempt until it is answered for good, or patience ends."""
    began, strays, attempts, faults = time.time(), 0, 0, 0
    while True:
        answer = await attempt()
        attempts += 1
        faults += answer.status in (500, 502)
        if answer.again_after is None:
            outcome = "ok" if 200 <= answer.status < 300 else "refused"
            return Outcome(outcome, answer, began, time.time(), strays, attempts, faults)
        strays += answer.may_act
        if time.time() - began > patience_seconds:
            outcome = "unknown" if strays else "refused"
            return Outcome(outcome, answer, began, time.time(), strays, attempts, faults)
        await asyncio.sleep(answer.again_after)
