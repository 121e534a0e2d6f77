"""How much memory 100 uploads at once take of the write gateway.

5 MB each, from ten accounts, through nginx, which does not buffer requests.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from bench.client import Person, Site
from bench.photos import another, camera_photo
from bench.standing import Standing, memory_mebibytes
from bench.table import Row

UPLOADS, ACCOUNTS = 100, 10
UPLOAD_BYTES = 5_000_000
SEGMENT_BYTES = 60_000
PIECE_BYTES = 64 * 1024
SAMPLE_SECONDS = 0.01
BOUNDARY = "a-bench-sent-this"


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    del quick  # it takes a few seconds
    people, pid = standing.people, standing.pid("gateway-write")
    accounts = [await people.sign_up("uploader") for _ in range(ACCOUNTS)]
    photo = padded(camera_photo(width=800, height=1200), UPLOAD_BYTES)
    for number in range(2):
        await upload(people, accounts[number], another(photo, number))  # warm

    forget_highest(pid)
    before = memory_mebibytes(pid, "VmRSS")
    samples: list[float] = []
    sampling = asyncio.create_task(sample(pid, samples), name="sampling")
    began = time.perf_counter()
    statuses = await asyncio.gather(
        *(upload(people, accounts[n % ACCOUNTS], another(photo, 10 + n)) for n in range(UPLOADS))
    )
    seconds = time.perf_counter() - began
    sampling.cancel()
    growth = max(memory_mebibytes(pid, "VmHWM"), *samples) - before
    megabytes = UPLOADS * len(photo) / 2**20
    answers = ", ".join(f"{many} × {status}" for status, many in Counter(statuses).items())
    return [
        Row(
            f"gateway_memory: {UPLOADS} uploads of {UPLOAD_BYTES / 1e6:.0f} MB at once",
            f"+{growth:.0f} MiB at the peak, from {before:.0f} MiB (answers: {answers}; "
            f"{seconds:.1f} s)",
            f"all their bytes: {megabytes:.0f} MiB",
            f"{growth / megabytes:.2f}",
            "≤ 64 MiB",
        )
    ]


def forget_highest(pid: int) -> None:
    """From now on VmHWM is the peak of what comes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


async def sample(pid: int, into: list[float]) -> None:
    while True:
        into.append(memory_mebibytes(pid, "VmRSS"))
        await asyncio.sleep(SAMPLE_SECONDS)


async def upload(people: Site, person: Person, photo: bytes) -> int:
    """Send it as a stream; the status of the answer."""
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="photo"; filename="IMG_0001.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()

    async def body() -> AsyncIterator[bytes]:
        yield head
        for first in range(0, len(photo), PIECE_BYTES):
            yield photo[first : first + PIECE_BYTES]
        yield tail

    headers = person.headers | {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(head) + len(photo) + len(tail)),
    }
    url = f"{people.address}/v1/posts"
    async with people.session.post(url, data=body(), headers=headers) as response:
        await response.read()
        return response.status


def padded(photo: bytes, size_bytes: int) -> bytes:
    """The same picture in a file of about this size: comments after the first marker."""
    segment = b"\xff\xfe" + (SEGMENT_BYTES + 2).to_bytes(2) + b"." * SEGMENT_BYTES
    missing = max(0, size_bytes - len(photo)) // len(segment)
    return photo[:2] + segment * missing + photo[2:]
