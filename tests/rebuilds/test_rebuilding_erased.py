"""A rebuild yields erased accounts as they are: without a word, and without a key."""

import asyncpg

from events.accounts import AccountErased
from tests.rebuilds.rebuilt import projecting, rebuild, rows_of


async def erase_some(members, count):
    """Some of those who posted, among them one who did so a moment ago."""
    for _ in range(count):
        author, _ = members.posts[-1]
        await members.log.append(AccountErased(), actor=author)
        members.ids.remove(author)
        members.posts = [each for each in members.posts if each[0] != author]


async def words_of_erased(settings, schema="heliograph"):
    """Everything that rows and the vault have of erased accounts beside names, ids and versions."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        return await connection.fetch(
            f"""
            SELECT a.display_name || a.bio || a.password_hash AS said,
                   a.posts + a.followers + a.following AS counted,
                   (SELECT string_agg(p.caption, '') FROM {schema}.posts AS p
                    WHERE p.author_id = a.id AND p.caption <> '') AS posted,
                   EXISTS (SELECT FROM vault.account_keys AS k WHERE k.account_id = a.id) AS key
            FROM {schema}.accounts AS a
            WHERE a.erased_version > 0
            """  # noqa: S608 - names of ours
        )
    finally:
        await connection.close()


async def test_who_was_erased_stays_erased(settings, log_client, members):
    """Row for row, though nothing that they sealed can be read any more."""
    async with projecting(settings) as workers:
        await members.act(200)
        await erase_some(members, 3)
        await workers.drain(50)
        before = await rows_of(settings)

        await rebuild(settings, log_client)

        assert await rows_of(settings) == before
        gone = await words_of_erased(settings)
        assert [tuple(row) for row in gone] == [("", 0, None, False)] * (3 + len(members.gone))


async def test_who_is_erased_beside_a_shadow_is_erased_in_it_too(settings, log_client, members):
    """It was built when everything could be read, and follows; a key comes back with neither."""
    async with projecting(settings) as workers:
        await members.act(200)
        await workers.drain(50)
        await rebuild(settings, log_client, swap=False)
        await erase_some(members, 2)
        await workers.drain(50)
        before = await rows_of(settings)

        await rebuild(settings, log_client)

        assert await rows_of(settings) == before
        gone = await words_of_erased(settings)
        assert [tuple(row) for row in gone] == [("", 0, None, False)] * (2 + len(members.gone))
