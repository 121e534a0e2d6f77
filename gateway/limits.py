"""Rate limits: each request takes one of an allowance, and its answer says how much is left.

Allowances are the settings `limit_*`. Those of commands count for the whole site, in the cache;
those of reads in each gateway's memory, for a trip would cost more than some of the reads.
"""

from collections.abc import AsyncIterator
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from aiohttp import web

from gateway.answers import degrade
from gateway.clients import address_of
from gateway.keys import CACHE, CACHE_REACH, SETTINGS, viewer_of
from gateway.routing import LimitName
from runtime.errors import TooMany
from runtime.secrets import derive
from runtime.settings import Settings
from stores.rates import SECOND, Allowance, Left, Rates, Taken

MINUTE, HOUR = 60, 3_600
IPV6_PREFIX = 64  # what one household is given
# A name: as many sign-ins as an address has a minute, but in ten. That is per address and name, so
# whoever guesses at a name from their own address shuts nobody out but themselves. From everywhere
# together four times as many: a crowd of addresses gets no more guesses than that, and its price is
# that such a crowd can make the owner wait. Sessions that are open do not notice.
NAME_SECONDS = 600
EVERYWHERE = 4


class Limit(NamedTuple):
    """How many in how many seconds, and what the refusal calls them."""

    most: int
    seconds: int
    whose: str


class Limits:
    """What the settings allow, and what is left of it."""

    def __init__(self, settings: Settings, rates: Rates) -> None:
        self.rates = rates
        self.by_name: dict[LimitName, Limit] = {
            "sign-ups": Limit(settings.limit_sign_ups, MINUTE, "a minute from one address"),
            "sign-ins": Limit(settings.limit_sign_ins, MINUTE, "a minute from one address"),
            "uploads": Limit(settings.limit_uploads, HOUR, "an hour"),
            "commands": Limit(settings.limit_commands, MINUTE, "a minute"),
            # Apart from commands: whoever stole a token would use those up, and stay.
            "sign-outs": Limit(settings.limit_commands, MINUTE, "a minute"),
            "reads": Limit(settings.limit_reads, MINUTE, "a minute"),
        }
        self._key = derive(settings.secret.reveal().encode(), "limits")

    def anonymous(self, text: str) -> str:
        """Addresses and names stand in the cache in no form that tells them."""
        return blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=12).hexdigest()


LIMITS: web.AppKey[Limits] = web.AppKey("limits", Limits)
LEFT: web.RequestKey[Left] = web.RequestKey("left", Left)
"""The allowance of this request that is nearest to its end, for the answer's headers."""


async def open_limits(app: web.Application) -> AsyncIterator[None]:
    """After `open_caching`."""
    rates = Rates(app[CACHE], app[CACHE_REACH])
    app[LIMITS] = Limits(app[SETTINGS], rates)
    yield
    rates.close()


async def charge(request: web.Request, name: LimitName) -> None:
    """Take one of what this account or address may have, or refuse with `TooMany`."""
    limits = request.app[LIMITS]
    limit = limits.by_name[name]
    if name == "reads":
        viewer_id = viewer_of(request).account_id
        left = limits.rates.take_one_here(Allowance(viewer_id, limit.most, limit.seconds))
        request[LEFT] = left
        if left.wait:
            raise too_many(left, f"{limit.most} reads {limit.whose}")
        return
    if name in ("sign-ups", "sign-ins"):
        whose = limits.anonymous(network_of(address_of(request)))
    else:
        whose = str(viewer_of(request).account_id)
    key = f"{name}:{{{whose}}}"
    taken = await limits.rates.take(Allowance(key, limit.most, limit.seconds))
    settle(request, taken, f"{limit.most} {name} {limit.whose}")


async def charge_name(request: web.Request, username: str) -> None:
    """Take one sign-in of the name's own allowances; there is no telling whether anybody has it."""
    limits = request.app[LIMITS]
    most = limits.by_name["sign-ins"].most
    name = limits.anonymous(f"@{username}")
    address = limits.anonymous(network_of(address_of(request)))
    taken = await limits.rates.take(
        Allowance(f"names:{{{name}}}:{address}", most, NAME_SECONDS),
        Allowance(f"names:{{{name}}}", most * EVERYWHERE, NAME_SECONDS),
    )
    settle(request, taken, f"{most} sign-ins with one username in {NAME_SECONDS // 60} minutes")


def settle(request: web.Request, taken: Taken, allowed: str) -> None:
    """Note what is left for the answer, and refuse what was not granted."""
    tightest = min(taken.left, key=lambda left: (-left.wait, left.remaining))
    known = request.get(LEFT)
    if known is None or not taken.granted or tightest.remaining < known.remaining:
        request[LEFT] = tightest
    if not taken.shared:
        degrade(request, "cache")
    if not taken.granted:
        raise too_many(tightest, allowed)


def too_many(left: Left, allowed: str) -> TooMany:
    detail = f"This is more than {allowed}."
    return TooMany("too-many-requests", detail, retry_after=seconds_of(left.wait))


def headers_of(left: Left) -> dict[str, str]:
    """As in draft-ietf-httpapi-ratelimit-headers-06; times are seconds from now."""
    return {
        "RateLimit-Limit": str(left.most),
        "RateLimit-Remaining": str(left.remaining),
        "RateLimit-Reset": str(seconds_of(left.whole_in)),
    }


def seconds_of(microseconds: int) -> int:
    """Whole seconds, never too few."""
    return -(-microseconds // SECOND)


def network_of(address: str) -> str:
    """Whom an address stands for: an IPv6 client can use any of a network's."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return address
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(IPv6Address(int(known) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX)))
