"""What comes out of a segment is what went in, byte for byte, or a refusal that says why."""

import hashlib
import json
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from events.segments import (
    FORMAT,
    MAGIC,
    MAX_BYTES,
    SegmentBroken,
    describe,
    pack,
    read_manifest,
    unpack,
)
from tests.archiving import deleted, entry, run, swapped

FIELDS = st.dictionaries(st.binary(max_size=8), st.binary(max_size=40), min_size=1, max_size=6)
ENTRIES = st.lists(
    st.tuples(st.integers(1, 10**12).map(lambda ms: f"{ms}-{ms % 3}".encode()), FIELDS),
    min_size=1,
    max_size=40,
)


@given(ENTRIES)
def test_entries_come_out_as_they_went_in(entries):
    """Any entries, of any fields in any order: ids, names, values and all their orders."""
    data, manifest = pack("posts", 3, entries)
    unpacked = unpack(data, manifest)

    assert unpacked == entries
    assert [list(fields) for _, fields in unpacked] == [list(fields) for _, fields in entries]
    assert describe(data, "posts", 3, manifest.first) == manifest


def test_a_manifest_says_what_its_segment_is():
    data, manifest = pack("posts", 3, run(5, 7, 9, after=2))

    assert (manifest.format, manifest.topic, manifest.partition) == (FORMAT, "posts", 3)
    assert (manifest.after, manifest.first, manifest.last) == (
        "1767225600002-0",
        "1767225600005-0",
        "1767225600009-0",
    )
    assert (manifest.count, manifest.size_bytes) == (3, len(data))
    assert manifest.sha256 == hashlib.sha256(data).hexdigest()


def test_an_empty_segment_is_never_made():
    with pytest.raises(ValueError, match="one entry"):
        pack("posts", 3, [])


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"count": 4}, "its manifest says count 4, the segment holds 3"),
        ({"last": "1767225600010-0"}, "says last 1767225600010-0, the segment holds 1767225600009"),
        ({"first": "1767225600004-0"}, "says first 1767225600004-0"),
        ({"after": "0-0"}, "says after 0-0"),
        ({"sha256": "0" * 64}, "another hash"),
        ({"size_bytes": 1}, "its manifest says 1"),
        ({"topic": "graph"}, r"it is one of posts\.3"),
        ({"partition": 2}, r"it is one of posts\.3"),
        ({"format": 2}, "its manifest is of format 2, this program reads 1"),
    ],
)
def test_a_manifest_that_lies_is_found_out(lie, reason):
    """Whatever a manifest says that its segment is not is named."""
    data, manifest = pack("posts", 3, run(5, 7, 9, after=2))

    with pytest.raises(SegmentBroken, match=reason) as refusal:
        unpack(data, msgspec.structs.replace(manifest, **lie))
    assert refusal.value.code == "segment-broken"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(MAGIC)],
        lambda _: b"",
        lambda data: data + b"x",
        lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
    ],
)
def test_damaged_bytes_are_refused(damage):
    """Cut, grown or changed, with the hash of what is stored or with that of what was."""
    data, manifest = pack("posts", 3, run(*range(1, 50)))
    stored = damage(data)
    vouched = msgspec.structs.replace(
        manifest, size_bytes=len(stored), sha256=hashlib.sha256(stored).hexdigest()
    )

    for said in (manifest, vouched):
        with pytest.raises(SegmentBroken, match=r"of posts\.3 in the archive is broken") as refusal:
            unpack(stored, said)
        assert refusal.value.segment == manifest.first


def test_a_newer_format_is_refused_by_its_number():
    data, manifest = pack("posts", 3, run(5))
    newer = MAGIC + (FORMAT + 1).to_bytes(2) + data[len(MAGIC) + 2 :]

    with pytest.raises(SegmentBroken, match="it is of format 2, this program reads 1"):
        describe(newer, "posts", 3, manifest.first)


def test_bytes_that_would_swell_are_not_decompressed():
    """A segment of a few kilobytes that says to be larger than any is refused for that."""
    bomb = MAGIC + FORMAT.to_bytes(2) + zstandard.compress(bytes(MAX_BYTES + 1))

    assert len(bomb) < 10_000
    with pytest.raises(SegmentBroken, match="larger than a segment"):
        describe(bomb, "posts", 3, "1-0")


def test_disorder_is_kept_as_it_is():
    """A segment of a broken run is no broken segment: the chain tells, and needs to see it."""
    for broken in (swapped(run(1, 2, 3), 0), deleted(run(1, 2, 3), 1)):
        data, manifest = pack("posts", 3, broken)
        assert unpack(data, manifest) == broken


def test_a_type_nobody_knows_is_archived_like_any_other():
    entries = [entry(5, 2, type=b"of.the.future", payload=b"\xc1")]
    data, manifest = pack("posts", 3, entries)

    assert unpack(data, manifest) == entries


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"", "cannot be read"),
        (b"{}", "cannot be read"),
        (b'{"format": 2, "shards": []}', "format 2, this program reads 1"),
        (b'{"format": 1}', "cannot be read"),
    ],
)
def test_a_manifest_that_is_none_is_refused(stored, reason):
    with pytest.raises(SegmentBroken, match=reason):
        read_manifest(stored, "posts", 3, "5-0")


def test_a_manifest_under_another_name_is_refused():
    """One that was copied to another segment's, partition's or topic's place."""
    _, manifest = pack("posts", 3, run(5))
    stored = msgspec.json.encode(manifest)

    assert read_manifest(stored, "posts", 3, manifest.first) == manifest
    for place in (("posts", 3, "6-0"), ("posts", 2, manifest.first), ("graph", 3, manifest.first)):
        with pytest.raises(SegmentBroken, match=r"is that of 1767225600005-0 of posts\.3"):
            read_manifest(stored, *place)


def test_the_first_segments_can_be_read_for_ever():
    """One of every format that was ever written is kept, with what it holds."""
    samples = sorted(Path(__file__).with_name("segments").glob("*.json"))
    assert [path.stem for path in samples] == [f"format-{each}" for each in range(1, FORMAT + 1)]
    for path in samples:
        sample = json.loads(path.read_text(encoding="utf-8"))
        manifest = json.dumps(sample["manifest"]).encode()
        name = sample["manifest"]["first"]
        expected = [
            (entry_id.encode(), {k.encode(): b64decode(v) for k, v in fields.items()})
            for entry_id, fields in sample["entries"]
        ]
        data = b64decode(sample["segment"])
        assert unpack(data, read_manifest(manifest, "posts", 3, name)) == expected
