"""Settings are read once and wrong ones are named."""

import pytest

from runtime.settings import Secret, SettingsError, load

GOOD = {
    "HELIOGRAPH_LOG_URL": "unix://:log-password@/run/log.sock",
    "HELIOGRAPH_CACHE_URL": "redis://cache:6379",
    "HELIOGRAPH_DATABASE_URL": "postgresql://writer:database-password@/heliograph",
    "HELIOGRAPH_DATABASE_READER_URL": "postgresql://reader@/heliograph",
    "HELIOGRAPH_OBJECTS_URL": "https://key:object-password@s3.example/photos",
    "HELIOGRAPH_SECRET": "s" * 32,
}


def test_what_is_not_named_has_a_default():
    settings = load(GOOD)

    assert (settings.port, settings.partitions) == (8080, 8)


def test_an_empty_variable_is_an_absent_one():
    assert load({**GOOD, "HELIOGRAPH_PORT": " "}).port == 8080


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_setting_is_named(name):
    with pytest.raises(SettingsError, match=f"^{name} wants .*; is missing"):
        load({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value", "wants"),
    [
        ("HELIOGRAPH_PORT", "http", "a whole number from 1 to 65535; got 'http'"),
        ("HELIOGRAPH_PORT", "0", "a whole number from 1 to 65535; got '0'"),
        ("HELIOGRAPH_PARTITIONS", "6", "a power of two from 1 to 128"),
        ("HELIOGRAPH_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("HELIOGRAPH_CACHE_URL", "memcached://x", "redis://, rediss:// or unix:// address"),
        ("HELIOGRAPH_OBJECTS_URL", "https://s3.example", "http(s)://key:secret@host:port/bucket"),
        ("HELIOGRAPH_SECRET", "short", "32 or more characters"),
        ("HELIOGRAPH_LEASE_SECONDS", "-1", "a whole number from 1 to 3600"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_wants(name, value, wants):
    with pytest.raises(SettingsError) as refusal:
        load({**GOOD, name: value})

    assert str(refusal.value).startswith(f"{name} wants ")
    assert wants in str(refusal.value)


def test_a_secret_may_stand_in_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("f" * 40 + "\n")
    without = {key: value for key, value in GOOD.items() if key != "HELIOGRAPH_SECRET"}

    settings = load({**without, "HELIOGRAPH_SECRET_FILE": str(path)})

    assert settings.secret.reveal() == "f" * 40
    with pytest.raises(SettingsError, match="HELIOGRAPH_SECRET_FILE wants a readable file"):
        load({**without, "HELIOGRAPH_SECRET_FILE": str(tmp_path / "none")})


def test_nothing_secret_is_ever_printed():
    """Neither the site's secret nor a password in an address, in any way of printing them."""
    settings = load(GOOD)

    for text in (repr(settings), str(settings), f"{settings.secret}", repr([settings.secret])):
        assert "s" * 32 not in text
        assert "-password" not in text
    assert "***" in repr(Secret("x"))


def test_a_refused_address_does_not_show_its_password():
    with pytest.raises(SettingsError) as refusal:
        load({**GOOD, "HELIOGRAPH_DATABASE_URL": "mysql://root:hunter2@db/x"})

    assert "hunter2" not in str(refusal.value)
