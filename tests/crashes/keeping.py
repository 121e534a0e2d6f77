"""A whole site, kept and put back: each death begins from the same log, rows and windows."""

from graphlib import TopologicalSorter
from hashlib import sha256
from io import BytesIO
from typing import NamedTuple

from stores.objects import original_key

TABLES = """
    SELECT n.nspname, t.relname,
           ARRAY(SELECT f.confrelid::regclass::text FROM pg_constraint AS f
                 WHERE f.conrelid = t.oid AND f.contype = 'f' AND f.confrelid <> t.oid) AS parents
    FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE n.nspname IN ('heliograph', 'vault') AND t.relkind = 'r'
      AND t.relname <> 'schema_version'
"""

Keys = list[tuple[bytes, int, bytes]]
"""(key, what is left of its life in ms or 0, its serialised value)."""


class Kept(NamedTuple):
    log: Keys
    cache: Keys
    tables: dict[tuple[str, str], bytes]
    staged: dict[str, bytes]
    stored: dict[str, bytes]


async def keep(stage, staged, contents=()) -> Kept:
    """Everything there is now; of the objects, the photos that wait to be rendered.

    And what is stored of these contents, where somebody is about to delete it.
    """
    stored = await stored_of(stage.objects, contents)
    return Kept(
        await keys_of(stage.log_client),
        await keys_of(stage.cache_client),
        await tables_of(stage.database),
        dict(staged),
        {key: await stage.objects.read(key) for key in stored},
    )


async def put_back(stage, kept: Kept) -> None:
    await put_keys_back(stage.log_client, kept.log)
    await put_keys_back(stage.cache_client, kept.cache)
    await put_tables_back(stage.database, kept.tables)
    await unrender(stage.objects, kept.staged)
    for key, content in kept.stored.items():
        await stage.objects.put_if_absent(key, content, "application/octet-stream")


async def keys_of(client) -> Keys:
    keys = sorted([each async for each in client.scan_iter(count=1000)])
    return [(each, max(await client.pttl(each), 0), await client.dump(each)) for each in keys]


async def put_keys_back(client, keys: Keys) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.flushdb()
        for key, life_ms, value in keys:
            pipeline.restore(key, life_ms, value)
        await pipeline.execute()


async def names_of_tables(database) -> list[tuple[str, str]]:
    """Schema and name of every table that holds anything of ours, parents before children."""
    schemas, parents = {}, {}
    for schema, table, above in await database.fetch(TABLES):
        schemas[table] = schema
        parents[table] = [each.rpartition(".")[2] for each in above]
    return [(schemas[each], each) for each in TopologicalSorter(parents).static_order()]


async def tables_of(database) -> dict[tuple[str, str], bytes]:
    kept = {}
    for schema, table in await names_of_tables(database):
        output = BytesIO()
        await database.copy_from_table(table, schema_name=schema, output=output)
        kept[schema, table] = output.getvalue()
    return kept


async def put_tables_back(database, tables: dict[tuple[str, str], bytes]) -> None:
    async with database.acquire() as connection, connection.transaction():
        for schema, table in reversed(tables):
            await connection.execute(f"DELETE FROM {schema}.{table}")  # noqa: S608 - our own names
        for (schema, table), rows in tables.items():
            await connection.copy_to_table(table, schema_name=schema, source=BytesIO(rows))


async def unrender(objects, staged: dict[str, bytes]) -> None:
    """The photos are staged again, and nothing of them is stored."""
    await objects.delete(await stored_of(objects, staged.values()))
    for key, content in staged.items():
        await objects.put_if_absent(key, content, "application/octet-stream")


async def stored_of(objects, contents) -> list[str]:
    """The keys of what is kept of these uploads: originals, renditions, manifests."""
    found = []
    for content in contents:
        digest = sha256(content).hexdigest()
        for prefix in (f"photos/{digest}/", original_key(digest)):
            found += [each.key async for each in objects.list(prefix)]
    return found
