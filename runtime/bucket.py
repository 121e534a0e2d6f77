"""The object storage's one bucket: what its address says, a client for it, and its making."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


WRITABLE_SECONDS = 20
PAUSE_SECONDS = 0.2
FIRST_BYTE = "staging/first-byte"
"""Among what is swept by age, should its removal fail."""


class Bucket(msgspec.Struct, frozen=True):
    """What HELIOGRAPH_OBJECTS_URL says."""

    endpoint: str
    key: str
    secret: str
    name: str


def read_objects_url(url: str) -> Bucket:
    parts = urlsplit(url)
    return Bucket(
        endpoint=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        key=unquote(parts.username or ""),
        secret=unquote(parts.password or ""),
        name=parts.path.strip("/"),
    )


@asynccontextmanager
async def open_objects(
    url: str, *, connections: int = 32, reply_seconds: float = 30, attempts: int = 2
) -> "AsyncIterator[tuple[S3Client, str]]":
    """A client and the bucket's name. Opening connects to nothing yet."""
    bucket = read_objects_url(url)
    config = AioConfig(
        connect_timeout=2,
        read_timeout=reply_seconds,
        max_pool_connections=connections,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        s3={"addressing_style": "path"},
        # Not every S3 knows the newer checksums; content is verified by its own hash.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with get_session().create_client(
        "s3",
        endpoint_url=bucket.endpoint,
        aws_access_key_id=bucket.key,
        aws_secret_access_key=bucket.secret,
        region_name="us-east-1",
        config=config,
    ) as client:
        yield client, bucket.name


async def make_bucket(url: str) -> str:
    """Make the bucket if it is not there, and see that it can be written; the answer says which.

    A server that just started answers before it has room laid out for bytes, and the first upload
    would be refused.
    """
    async with open_objects(url) as (client, name):
        told = f"The bucket {name} is there."
        try:
            await client.head_bucket(Bucket=name)
        except ClientError as error:
            if _status(error) != HTTPStatus.NOT_FOUND:
                raise
            await client.create_bucket(Bucket=name)
            told = f"The bucket {name} was made."
        async with asyncio.timeout(WRITABLE_SECONDS):
            await _write(client, name)
        return told


async def _write(client: "S3Client", bucket: str) -> None:
    while True:
        try:
            await client.put_object(Bucket=bucket, Key=FIRST_BYTE, Body=b"\n")
        except ClientError as error:
            if _status(error) < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            await client.delete_object(Bucket=bucket, Key=FIRST_BYTE)
            return


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
