"""The wire is frozen: what was ever shipped decodes for ever, as the samples say."""

import json
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from events import codec, sealing
from events.accounts import ProfileEdited
from events.catalogue import BY_TAG, EVENTS

# One sample or more of every event ever shipped. Add to it; never change or remove a line.
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("sample", GOLDEN, ids=lambda sample: sample["type"])
def test_a_sample_decodes_for_ever(sample):
    """Bytes that an older release wrote read as they did then."""
    kind = BY_TAG[sample["type"]]
    event = codec.decode(kind, bytes.fromhex(sample["payload"]), bytes.fromhex(sample["sealed"]))
    assert json.loads(msgspec.json.encode(event)) == sample["reads"]


@pytest.mark.parametrize("sample", GOLDEN, ids=lambda sample: sample["type"])
def test_personal_fields_are_all_in_the_sealed_half(sample):
    """The clear half holds none of the sealed fields, and reads without the other."""
    kind = BY_TAG[sample["type"]]
    clear = bytes.fromhex(sample["payload"])
    names = set(msgspec.msgpack.decode(clear)) if clear else set()
    assert not names & codec.sealed_fields(kind)
    assert codec.decode(kind, clear, b"")


def test_every_event_has_a_sample_and_a_tag_of_its_own():
    """Nothing ships without its sample."""
    assert {sample["type"] for sample in GOLDEN} == set(BY_TAG)
    assert len(BY_TAG) == len(EVENTS)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_sealed_fields_have_defaults(kind):
    """They must read as something once the key is destroyed."""
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    assert not required & codec.sealed_fields(kind)


def test_a_field_that_a_newer_release_added_is_passed_over():
    """An older worker reads what it knows."""
    newer = msgspec.msgpack.encode({"private": True, "mood": "sunny"})
    assert codec.decode(ProfileEdited, newer, b"") == ProfileEdited(private=True)


@pytest.mark.parametrize("payload", [b"\xc1", b"\x93\x01", b"\x81\xa7private\x05", b"\x90"])
def test_broken_bytes_are_named_as_such(payload):
    """Whatever stands there, the answer is one clear error."""
    with pytest.raises(codec.Undecodable):
        codec.decode(ProfileEdited, payload, b"")


def test_a_sealed_half_opens_only_under_its_key_and_tag():
    """Another account's key, another event's tag or a changed byte opens nothing."""
    ring = sealing.Keyring(b"s" * 32)
    key, wrapped = ring.new_key()
    other, _ = ring.new_key()
    sealed = sealing.seal(key, "profile.edited", b"words")

    assert sealing.unseal(ring.unwrap(1, wrapped), "profile.edited", sealed) == b"words"
    for wrong in (
        lambda: sealing.unseal(other, "profile.edited", sealed),
        lambda: sealing.unseal(key, "post.submitted", sealed),
        lambda: sealing.unseal(key, "profile.edited", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(InvalidTag):
            wrong()
