"""What the last full verification found, kept in the log for every process to tell."""

import msgspec

from runtime.functions import Client

KEY = "verified"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by table, and when that was."""

    ended_ms: int
    events: int
    rows: dict[str, int]
    drifted: dict[str, int]
    explained: dict[str, int]


async def keep_verdict(log: Client, verified: Verified) -> None:
    await log.set(KEY, msgspec.json.encode(verified))


async def last_verdict(log: Client) -> Verified | None:
    """None before the first."""
    kept = await log.get(KEY)
    return msgspec.json.decode(kept, type=Verified) if kept else None
