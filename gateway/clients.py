"""Where a request came from: the address nginx vouches for, else the peer's own."""

from ipaddress import ip_address

from aiohttp import web


def address_of(request: web.Request) -> str:
    """The client's address. `X-Real-IP` counts only from this machine: others could invent it."""
    peer = request.remote or ""
    if not peer or is_loopback(peer):
        return valid(request.headers.get("X-Real-IP", "")) or peer
    return peer


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:  # a unix socket's path
        return True


def valid(address: str) -> str:
    try:
        return str(ip_address(address.strip()))
    except ValueError:
        return ""
