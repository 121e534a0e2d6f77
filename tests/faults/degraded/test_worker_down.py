"""The row "a worker, a decoder child": commands are accepted, and their effects wait."""

import asyncio
import os
import signal
from pathlib import Path
from secrets import randbits

import pytest

from bench.photos import camera_photo
from tests.faults.degraded.outages import PROJECTIONS, site_of, working
from tests.gateway.publishing import form
from workers.process import create_groups

STATES = {"renditions": "processing", "posts": "processing", "fanout": "published"}


@pytest.mark.parametrize("role", STATES)
async def test_a_worker_down_commands_are_accepted_and_effects_wait(settings, role):
    """Whichever role has no worker; once it has one again, the oldest come first."""
    await create_groups(settings)  # as `make run` does, before anybody's first command
    others = {*PROJECTIONS, "renditions"} - {role}
    async with site_of(settings, roles=others) as site:
        ada, bob = [await site.gateway.sign_up(each) for each in ("ada", "bob")]
        posts = [await uploaded(site, ada) for _ in range(2)]
        followed = await site.command("PUT", "/v1/accounts/ada/follow", bob)
        for each in posts:
            await site.until(waits_for, arguments=(site, ada, each, role))
            assert (await site.get(f"/v1/posts/{each['id']}", ada))["state"] == STATES[role]

        async with working(site.settings, [role]):
            await site.applied((bob, followed), *((ada, each) for each in posts))
            await site.until(lambda: site.shows(bob, [each["id"] for each in posts]))


async def test_a_decoder_child_down_its_photo_is_decoded_by_another(settings):
    """Neither one that dies at rest nor one that dies at work costs anybody a photo."""
    await create_groups(settings)
    async with site_of(settings, roles=(*PROJECTIONS, "renditions")) as site:
        ada = await site.gateway.sign_up("ada")
        first = await uploaded(site, ada)
        await site.applied((ada, first))
        for between in (0, 0.02):
            kill_decoders()
            post = await uploaded(site, ada)
            await asyncio.sleep(between)  # into the decoding, whether or not it hits
            kill_decoders()
            await site.applied((ada, post))
            assert (await site.get(f"/v1/posts/{post['id']}", ada))["state"] == "published"


async def uploaded(site, person):
    # Unlike any before it, or what is stored of that one would do.
    photo = camera_photo(randbits(32), width=320, height=240)
    return await site.command("POST", "/v1/posts", person, data=form(photo))


async def waits_for(site, person, post, role):
    """Everybody has done what can be done of the upload without this role."""
    roles = (await site.get(f"/v1/commands/{post['event']}", person))["roles"]
    return {each for each, state in roles.items() if state == "waiting"} == WAITING[role]


WAITING = {"renditions": {"renditions"}, "posts": {"posts", "fanout"}, "fanout": {"fanout"}}


def kill_decoders():
    """SIGKILL every decoder child of this process's worker."""
    for each in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in each.read_text().split():
            if b"workers.imaging.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)
