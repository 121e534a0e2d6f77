"""The row "a decoder child": its photo is decoded by another."""

import asyncio
import os
import signal
from pathlib import Path
from secrets import randbits

from bench.photos import camera_photo
from tests.faults.degraded.outages import PROJECTIONS, site_of
from tests.gateway.publishing import form
from workers.process import create_groups


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


def kill_decoders():
    """SIGKILL every decoder child of this process's worker."""
    for each in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in each.read_text().split():
            if b"workers.imaging.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)
