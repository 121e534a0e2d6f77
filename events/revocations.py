"""Tokens that no longer count, as the append function keeps them in `revoked:{p}`."""

import msgspec

from events.accounts import AccountErased, PasswordChanged, SessionsRevoked
from events.envelope import Event
from events.ids import Position
from runtime.functions import Client

TOKEN_LIFE_MS = 30 * 24 * 3600 * 1000  # a revocation is kept as long as what it ends could live


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that no longer count: one, or all of the account issued up to a moment."""

    account_id: int
    token_id: int | None
    issued_before_ms: int
    kept_token_id: int | None
    expires_ms: int


def revocation_of(event: Event, actor: int) -> str:
    """The member that an event adds, short of its position; empty when it revokes nothing."""
    match event:
        case SessionsRevoked(token_id=token_id):
            return f"{actor}|{token_id or '*'}|-"
        case PasswordChanged(kept_token_id=kept):
            return f"{actor}|*|{kept or '-'}"
        case AccountErased():
            return f"{actor}|*|-"
        case _:
            return ""


async def standing_revocations(client: Client, partitions: int) -> list[Revocation]:
    """Every revocation that still ends a token, over all partitions."""
    found = []
    for partition in range(partitions):
        members = await client.zrange(f"revoked:{{{partition}}}", 0, -1, withscores=True)
        found += [parse_revocation(member.decode(), int(score)) for member, score in members]
    return found


def parse_revocation(member: str, expires_ms: int) -> Revocation:
    """What the append function wrote: `account|token or *|kept or -|position`."""
    account, one, kept, position = member.split("|")
    return Revocation(
        account_id=int(account),
        token_id=None if one == "*" else int(one),
        issued_before_ms=Position.parse(position).ms,
        kept_token_id=None if kept == "-" else int(kept),
        expires_ms=expires_ms,
    )
