"""Keys for accounts that never signed up: without one, the log takes an account for erased."""

from collections.abc import Iterable

from events.ids import position_of, shard_of
from events.log import Log

AT_ONCE = 1_000


async def give_keys(log: Log, account_ids: Iterable[int]) -> None:
    """One each, as registration would have written it."""
    pipeline = log.client.pipeline(transaction=False)
    for account_id in account_ids:
        _, wrapped = log.keyring.new_key()
        partition = shard_of(account_id) % log.partitions
        pipeline.hset(f"keys:{{{partition}}}", str(position_of(account_id)), wrapped)
        if len(pipeline) >= AT_ONCE:
            await pipeline.execute()
    await pipeline.execute()
