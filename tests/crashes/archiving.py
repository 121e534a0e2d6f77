"""A life of the role `archive`, which has no handlers: it dies between its own steps."""

from functools import wraps

import pytest

from events import trimming
from runtime.functions import Functions
from runtime.shutdown import stop_on_signals
from stores.archive import SEGMENT
from stores.objects import Objects
from workers import archive, archiving

BEFORE_SEGMENT = "before-segment"
AFTER_SEGMENT = "after-segment"  # and before its manifest: it does not count yet
AFTER_MANIFEST = "after-manifest"  # the log does not know of it
AFTER_RECORD = "after-record"
MID_TRIM = "mid-trim"  # some entries are dropped, others that may be are not
POINTS = (BEFORE_SEGMENT, AFTER_SEGMENT, AFTER_MANIFEST, AFTER_RECORD, MID_TRIM)

SEGMENT_BYTES = 2_000  # a handful of entries, so that a story of a few people has several
LOOKED_AT = 2


async def keep(settings, reached):
    """Archive and trim all there is, as the process does, without waiting for anything."""
    patch = pytest.MonkeyPatch()
    hurry(patch)
    _around_objects(patch, reached)
    _around_functions(patch, reached)
    await archive.keep_archive(settings, stop_on_signals(), lambda: True)


def hurry(patch):
    patch.setattr(archiving, "SEAL_SECONDS", 0.0)
    patch.setattr(archiving, "SEGMENT_BYTES", SEGMENT_BYTES)
    patch.setattr(trimming, "KEPT_SECONDS", -60)
    patch.setattr(trimming, "LOOKED_AT", LOOKED_AT)
    patch.setattr(archive, "MEBIBYTE", 1)


def _around_objects(patch, reached):
    put = Objects.put_if_absent

    @wraps(put)
    async def putting(self, key, *arguments):
        if key.endswith(SEGMENT):
            reached(BEFORE_SEGMENT)
        stored = await put(self, key, *arguments)
        reached(AFTER_SEGMENT if key.endswith(SEGMENT) else AFTER_MANIFEST)
        return stored

    patch.setattr(Objects, "put_if_absent", putting)


def _around_functions(patch, reached):
    call = Functions.call

    @wraps(call)
    async def calling(self, client, function, keys, arguments):
        reply = await call(self, client, function, keys, arguments)
        if function == "archived":
            reached(AFTER_RECORD)
        if function == "trim_topic" and reply[2]:
            reached(MID_TRIM)
        return reply

    patch.setattr(Functions, "call", calling)
