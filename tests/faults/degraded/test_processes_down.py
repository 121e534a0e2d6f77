"""The rows of gateways and workers: real processes, killed or frozen, asked through the edge."""

import time
from contextlib import asynccontextmanager
from secrets import randbits

import aiohttp
import pytest
import pytest_asyncio

from bench.photos import camera_photo
from events.status import UNSEEN
from tests.faults.degraded.outages import PROMISED_SECONDS, SLACK_SECONDS, Site
from tests.faults.site import running_site
from tests.gateway.publishing import form
from tests.gateway.serving import Gateway
from workers.subscriptions import SUBSCRIPTIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLED, FROZEN = "killed", "frozen"
ASKED = 4
"""As many requests as meet either of two gateways more than once."""
SIGNED_OUT_SECONDS = 5
GIVES_UP = aiohttp.ClientTimeout(total=0.8)
ROLES = [role for role in SUBSCRIPTIONS if role not in UNSEEN]
WAITING = {
    "accounts": {"accounts"},
    "graph": {"graph"},
    "renditions": {"renditions"},
    "posts": {"posts", "fanout"},
    "fanout": {"fanout"},
}
"""The roles that a command waits for when this one is down."""
IN_TURN = {"accounts", "posts", "fanout"}
"""Not renditions: photos are begun in turn, and a small one may be done before a large one."""


@pytest.fixture(params=[KILLED, FROZEN])
def how(request):
    return request.param


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def processes():
    """Two gateways of each kind behind the edge, one worker of each role."""
    async with running_site(dict.fromkeys(ROLES, 1)) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(processes):
    """The same, as its clients meet it."""
    async with aiohttp.ClientSession() as client:
        edge = Gateway(None, client, processes.lines["client", "edge"].address[1])
        yield Site(processes.settings, {}, [edge], None)


async def test_a_read_gateway_down_commands_go_on_and_reads_on_another(site, processes, how):
    """Whoever asks again is answered within 2 s; one that is back soon knows what it missed."""
    ada, bob = await people(site, 2)
    async with down(processes, "gateway-read-0", how):
        edited = await site.command("PATCH", "/v1/me", ada, json={"bio": how})
        await site.command("DELETE", "/v1/sessions/current", bob)
        for _ in range(ASKED):
            answer = await insist(site, "GET", "/v1/me", ada)
            assert answer.status == 200
        answer = await insist(site, "GET", f"/v1/commands/{edited['event']}?wait=0", ada)
        assert answer.status == 200

    await site.applied((ada, edited))
    for _ in range(ASKED):
        assert (await site.get("/v1/me", ada))["bio"] == how
    await site.until(nobody_knows, SIGNED_OUT_SECONDS, arguments=(site, bob))


async def test_a_write_gateway_down_reads_go_on_and_commands_on_another(site, processes, how):
    """Whoever repeats a command with its key is answered within 2 s, and it acts once."""
    (ada,) = await people(site, 1)
    account = {"username": f"x{randbits(40):x}", "password": "correct horse battery"}
    once = {"headers": {"Idempotency-Key": "once"}, "json": account}
    told = await site.ask("POST", "/v1/accounts", **once)
    uploads = []
    async with down(processes, "gateway-write-0", how):
        for number in range(ASKED):
            assert (await site.get("/v1/me", ada))["username"] == ada.username
            uploads.append(await upload(site, ada, key=f"photo {number}"))
            again = await insist(site, "POST", "/v1/accounts", **once)
            assert (again.status, again.body["token"]) == (told.status, told.body["token"])

    await site.applied(*((ada, each) for each in uploads))
    shown = await site.get(f"/v1/accounts/{ada.username}/posts", ada)
    assert [each["id"] for each in shown["items"]] == [each["id"] for each in uploads][::-1]


@pytest.mark.parametrize("role", ROLES)
async def test_a_worker_down_commands_are_accepted_and_effects_wait(site, processes, role, how):
    """Whichever role has no worker; one that is started anew does the oldest first."""
    ada, bob = await people(site, 2)
    async with down(processes, f"{role}-0", how):
        told = []
        for bio in ("A", "B"):
            edit = await site.command("PATCH", "/v1/me", ada, json={"bio": bio})
            follow = await site.command("PUT", f"/v1/accounts/{ada.username}/follow", bob)
            post = await upload(site, ada)
            told.append((edit, follow, post))
            by, held = {"accounts": (ada, edit), "graph": (bob, follow)}.get(role, (ada, post))
            await site.until(waits_for, arguments=(site, by, held, WAITING[role]))

    edits, follows, posts = zip(*told, strict=True)
    if role in IN_TURN and how == KILLED:  # a frozen one had been given some, and does both at once
        await in_turn(site, ada, edits if role == "accounts" else posts)
    told = [(ada, each) for each in (*edits, *posts)] + [(bob, each) for each in follows]
    await site.applied(*told)
    assert (await site.get("/v1/me", ada))["bio"] == "B"
    await site.until(lambda: site.shows(bob, [each["id"] for each in posts]))


async def in_turn(site, person, commands):
    """The newest is looked at first: what is done of it by then is done of the older."""
    states = [None]
    while states[0] != "applied":
        states = [await state(site, person, each) for each in reversed(commands)]
        assert states[0] != "applied" or set(states) == {"applied"}


@asynccontextmanager
async def down(processes, name, how):
    """The process is killed, or stopped where it stands, for the block; then it answers again."""
    part = processes.parts[name]
    if how == FROZEN:
        part.freeze()
    else:
        await part.stop()
        if gone := part.gone():
            await gone
    try:
        yield
    finally:
        if how == FROZEN:
            part.thaw()
            await part.ready()
        else:
            await part.start()


async def insist(site, method, path, person=None, **more):
    """What a client gets that repeats what is refused or not answered, within what is promised."""
    started = time.monotonic()
    answer = None
    while answer is None or answer.status == 503:
        try:
            data = {"data": more["photo"]()} if "photo" in more else {}
            told = {key: value for key, value in more.items() if key != "photo"}
            answer = await site.gateway.ask(method, path, person, timeout=GIVES_UP, **told, **data)
        except (TimeoutError, aiohttp.ClientError):
            answer = None
        took = time.monotonic() - started
        assert took < PROMISED_SECONDS + SLACK_SECONDS, (method, path, answer, took)
    return answer


async def upload(site, person, key=None):
    # Unlike any before it, or what is stored of that one would do.
    photo = camera_photo(randbits(32), width=320, height=240)
    headers = {"Idempotency-Key": key or f"{randbits(64)}"}
    answer = await insist(
        site, "POST", "/v1/posts", person, photo=lambda: form(photo), headers=headers
    )
    assert answer.status == 202, answer
    return answer.body


async def people(site, count):
    """New ones, whom every worker knows."""
    return [await site.gateway.sign_up(f"x{randbits(40):x}") for _ in range(count)]


async def nobody_knows(site, person):
    """Whether every gateway holds the person to be signed out."""
    answers = [await site.ask("GET", "/v1/me", person) for _ in range(ASKED)]
    return {answer.status for answer in answers} == {401}


async def state(site, person, command):
    return (await site.get(f"/v1/commands/{command['event']}", person))["state"]


async def waits_for(site, person, command, waiting):
    """Everybody has done what can be done of the command without the role."""
    roles = (await site.get(f"/v1/commands/{command['event']}", person))["roles"]
    return {each for each, of_it in roles.items() if of_it == "waiting"} == waiting
