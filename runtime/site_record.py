"""What a site is begun with and keeps for its life, as its log remembers it."""

from typing import Any

from runtime.secrets import derive
from runtime.settings import Settings

SITE_KEY = "site"
RETURNING = "returning"
"""The field that stands while the log is being restored or brought back: half of it is no log."""


class OtherSite(Exception):
    """These settings are not this site's: its events would be sought or sealed in vain."""


async def begin_site(log: Any, settings: Settings) -> None:
    """Write the record, where there is none yet."""
    await log.hsetnx(SITE_KEY, "partitions", str(settings.partitions))
    await log.hsetnx(SITE_KEY, "secret", fingerprint(settings))


async def hold_to_site(log: Any, settings: Settings) -> None:
    """`OtherSite`, with the fix in words, unless the settings are those the site was begun with."""
    partitions, secret, returning = await log.hmget(SITE_KEY, "partitions", "secret", RETURNING)
    if returning is not None:
        raise OtherSite(
            f"The log is only half there: `{returning.decode()}` was broken off. Say it again; it "
            "begins anew."
        )
    if partitions is not None and int(partitions) != settings.partitions:
        raise OtherSite(
            f"This site was begun with {int(partitions)} partitions and keeps them for its life: "
            f"set HELIOGRAPH_PARTITIONS={int(partitions)}."
        )
    if secret is not None and secret.decode() != fingerprint(settings):
        raise OtherSite(
            "This site was begun with another secret, without which nothing sealed can be read: "
            "set HELIOGRAPH_SECRET, or HELIOGRAPH_SECRET_FILE, to that one."
        )


async def is_returning(log: Any) -> bool:
    """Whether whoever was putting the log back has not come to the end."""
    return bool(await log.hexists(SITE_KEY, RETURNING))


def fingerprint(settings: Settings) -> str:
    """Tells secrets apart, and nothing about them."""
    return derive(settings.secret.reveal().encode(), "fingerprint").hex()[:16]
