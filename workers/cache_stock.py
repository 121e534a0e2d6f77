"""What the cache holds, as `python -m events stats` tells it: by kind, and of what windows are."""

from collections.abc import AsyncIterator

from events.log import Log
from events.telling import Line, Table, Told
from runtime.connections import open_cache
from runtime.outages import is_outage
from runtime.settings import Settings
from stores.census import Census, Kind, Memory, memory_of, present_of, sampled

SAMPLE_KEYS = 5_000
MIB = 1024 * 1024
MEANING = {
    Kind.WINDOWS: "feed windows",
    Kind.HIDDEN: "authors hidden from them",
    Kind.OUTBOXES: "outboxes",
    Kind.LISTS: "who has one, and who follows them",
    Kind.CARDS: "cards of posts and accounts",
    Kind.COMING: "windows of a rebuild",
    Kind.UNREAD: "nobody reads these any more",
    Kind.OTHERS: "allowances and the like",
}


async def tell_cache(settings: Settings, log: Log, *, whole: bool) -> AsyncIterator[Told]:
    """Two tables, or that there is no asking."""
    try:
        async with open_cache(settings, connections=1) as cache:
            memory = await memory_of(cache)
            most = memory.keys if whole else SAMPLE_KEYS
            census = await sampled(cache, await present_of(cache, log.client), most)
    except Exception as error:
        if not is_outage(error):
            raise
        yield Line(f"The cache does not answer: {error}", aside=True)
        return
    yield kinds(memory, census)
    yield Table(title="", heads=("what", "value"), rows=tuple(figures(memory, census)))


def kinds(memory: Memory, census: Census) -> Table:
    """Of a sample every kind is taken for the part of all keys that it is of the sample."""
    counted = census.keys.total()
    scale = memory.keys / counted if counted < memory.keys else 1.0
    rows = []
    for kind in Kind:
        keys, size = round(census.keys[kind] * scale), round(census.mean_bytes(kind))
        rows.append((kind, keys, size, keys * size, MEANING[kind]))
    about = "about, of a sample" if scale > 1 else "all"
    heads = ("kind", "keys", "mean_bytes", "bytes", "meaning")
    return Table(title=f"\nIn the cache, {about}", heads=heads, rows=tuple(rows))


def figures(memory: Memory, census: Census) -> list[tuple[str, str]]:
    used, most = memory.used_bytes, memory.most_bytes
    budget = f", {used / most:.1%} of {most / MIB:,.0f} MiB" if most else ", without a limit"
    return [
        ("cache memory", f"{used / MIB:,.1f} MiB{budget}"),
        ("keys evicted", f"{memory.evicted:,} since the server started"),
        ("entries of a window", f"{census.mean_entries:,.1f}"),
        ("bytes of an entry", f"{census.entry_bytes:,.1f}"),
        ("windows unpacked", f"{census.unpacked_ratio:.1%}"),
    ]
