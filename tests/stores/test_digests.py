import re
from pathlib import Path

import pytest

from events.ids import EPOCH_MS, Position, make_id
from events.model import Model
from events.model_rows import rows_of
from runtime.errors import Invalid
from stores.differences import differences, lay_out
from stores.digests import LAID_OUT, LIVE, NOTHING, TABLES, digests_of, schema_of, total
from tests.workers.one_history import HISTORY

SCHEMA = Path(__file__).resolve().parents[2] / "schema.sql"
ROWS = [
    (each % 100, make_id(Position(EPOCH_MS + each, 0), each % 100), bytes([each % 250]) * 32)
    for each in range(2_000)
]


@pytest.fixture
async def connection(database):
    async with database.acquire() as connection:
        yield connection
        await connection.execute("DISCARD TEMP")


async def lay(connection, rows):
    await lay_out(connection, "photo_references", rows)
    return await digests_of(connection, LAID_OUT, "photo_references")


async def test_a_digest_knows_rows_but_no_order(connection):
    """The same rows in another order are the same; a row more, less or other is not, nor twice."""
    digests = await lay(connection, ROWS)

    assert await lay(connection, ROWS[::-1]) == digests
    other = (*ROWS[7][:2], bytes(32))
    for changed in (ROWS[1:], [*ROWS, ROWS[0]], [*ROWS[:7], other, *ROWS[8:]], []):
        assert await lay(connection, changed) != digests
    assert total((await lay(connection, [])).values()) == NOTHING
    assert total(digests.values()).rows == len(ROWS)


async def test_only_the_bucket_of_a_wrong_row_differs(connection):
    """So that of a large table little has to be looked at."""
    digests = await lay(connection, ROWS)
    changed = await lay(connection, [*ROWS[:7], (*ROWS[7][:2], bytes(32)), *ROWS[8:]])

    assert {each for each in digests if digests[each] != changed[each]} == {0}
    assert len(digests) == 4


async def test_differences_name_the_row_and_who_has_it(connection):
    """A row of one side alone shows as such, on either side, within the buckets asked for."""
    await lay_out(connection, "photo_references", ROWS[:3])
    found = await differences(connection, "photo_references", LIVE, LAID_OUT, limit=10)
    assert [(each.key[0], each.one, each.other) for each in found] == [
        (str(post_id), None, {}) for _, post_id, _ in ROWS[:3]
    ]
    back = await differences(connection, "photo_references", LAID_OUT, LIVE, limit=1, buckets=[0])
    assert [(each.key[0], each.one, each.other) for each in back] == [(str(ROWS[0][1]), {}, None)]
    assert not await differences(
        connection, "photo_references", LIVE, LAID_OUT, limit=9, buckets=[1]
    )
    assert [
        each.owner
        for each in await differences(
            connection, "photo_references", LIVE, LAID_OUT, limit=9, owners=[ROWS[1][1]]
        )
    ] == [ROWS[1][1]]


def columns_of(table):
    """The table's columns in schema.sql that come from events."""
    text = SCHEMA.read_text(encoding="utf-8")
    body = re.search(rf"CREATE TABLE {table} \((.*?)\n\);", text, re.DOTALL)[1]
    lines = re.findall(r"^    ([a-z_0-9]+) .*$", body, re.MULTILINE)
    local = re.findall(r"^    ([a-z_0-9]+) .*-- local\b", body, re.MULTILINE)
    return [each for each in lines if each not in local]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_that_comes_from_events_is_digested(table):
    """A new column is digested, or marked `-- local`; none is forgotten."""
    assert sorted(columns_of(table)) == sorted(TABLES[table].columns)


def test_every_table_that_is_built_again_is_digested():
    rebuilt = SCHEMA.read_text(encoding="utf-8").partition("CREATE SCHEMA vault")[0]
    assert set(re.findall(r"CREATE TABLE (\w+)", rebuilt)) - {"schema_version"} == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
async def test_a_model_is_laid_out_in_every_table(table, connection):
    """In the order of the digested columns, of their types."""
    model = Model()
    model.fold(HISTORY)
    rows = list(rows_of(model, table))
    await lay_out(connection, table, rows)
    assert total((await digests_of(connection, LAID_OUT, table)).values()).rows == len(rows) > 0


@pytest.mark.parametrize(
    ("name", "schema"), [("next", "heliograph_next"), ("heliograph", "heliograph")]
)
def test_a_shadow_is_named_short(name, schema):
    assert schema_of(name) == schema


@pytest.mark.parametrize("name", ["next; DROP TABLE accounts", "Next", 'a"b', "x" * 70, ""])
def test_what_names_no_schema_is_refused(name):
    """Names of schemas stand in statements as they are."""
    with pytest.raises(Invalid):
        schema_of(name)
