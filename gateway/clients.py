"""Who asks, as far as events note it: the address nginx vouches for, and the program's name."""

from ipaddress import ip_address

from aiohttp import web

MOST_USER_AGENT = 256


def address_of(request: web.Request) -> str:
    """The client's address. `X-Real-IP` counts only from this machine: others could invent it."""
    peer = request.remote or ""
    if not peer or is_loopback(peer):
        return valid(request.headers.get("X-Real-IP", "")) or peer
    return peer


def user_agent_of(request: web.Request) -> str:
    """What the client calls itself, cut; bytes that are no UTF-8 become question marks."""
    given = request.headers.get("User-Agent", "")[:MOST_USER_AGENT]
    return given.encode("utf-8", "replace").decode()


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:  # a unix socket's path
        return True


def valid(address: str) -> str:
    try:
        known = ip_address(address.strip())
    except ValueError:
        return ""
    # A zone, `fe80::1%eth0`, may be any text at all.
    return "" if "%" in str(known) else str(known)
