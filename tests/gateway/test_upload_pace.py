"""An upload is over, or refused, before the sweep could take what it began with."""

import asyncio

import pytest

from gateway import forms, uploads
from stores.objects import UPLOAD_MARGIN
from tests.gateway.uploading import HEAD, JPEG, uploading


@pytest.fixture
async def ada(settings):
    async with uploading(settings) as uploader:
        yield uploader


async def test_a_form_that_takes_too_long_as_a_whole_is_refused(ada, monkeypatch):
    """408 also for a steady client: its first photo must not be swept before its last is sent."""
    monkeypatch.setattr(uploads, "Pace", lambda: forms.Pace(most_seconds=0.5))

    async def steady():
        yield HEAD + JPEG
        while True:
            yield bytes(20_000)
            await asyncio.sleep(0.05)

    async with asyncio.timeout(5):
        response, problem = await ada.post(
            steady(), {"Content-Type": "multipart/form-data; boundary=b"}
        )

    assert (response.status, problem["code"]) == (408, "too-slow")
    assert "minutes" in problem["detail"]
    assert await ada.staged() == set()


def test_no_photo_is_swept_while_its_form_arrives():
    """Ten minutes remain to store the last photo and to record the post."""
    assert UPLOAD_MARGIN.total_seconds() - forms.MOST_SECONDS >= 600
