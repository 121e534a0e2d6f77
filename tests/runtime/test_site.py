"""Where a site lives, what it embeds, and which processes are its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.embedded import ENGINES, embedded_engines, settings_of
from runtime.engines import seaweed
from runtime.engines.place import PlaceError, open_place, pick_block, private_folder
from runtime.leftovers import end_leftovers
from runtime.settings import SettingsError
from runtime.site import find_site


@pytest.fixture
def place(tmp_path):
    place = open_place(tmp_path / ("deep-" * 30) / "var")
    yield place
    place.clear_sockets()


def test_sockets_stay_short_however_deep_the_site(place):
    assert len(str(place.sockets / "gateway-write-63.sock")) < 100


def test_secrets_and_ports_stay_over_restarts(place):
    again = open_place(place.var)

    assert again.secret("log") == place.secret("log")
    assert again.port("fanout", 3) == place.port("fanout", 3)


def test_two_sites_share_no_port_and_no_socket(place, tmp_path):
    other = open_place(tmp_path / "other")
    other_port = other.port("objects")
    with socket.create_server(("127.0.0.1", other_port)):
        other.move_if_taken([other_port])

        assert other.port("objects") != other_port
    assert other.sockets != place.sockets
    other.clear_sockets()


def test_sites_that_start_together_choose_different_ports(tmp_path):
    """None of them listens yet: all find the same ports free, and would try the same ones first."""
    with ThreadPoolExecutor() as starting:
        blocks = list(starting.map(pick_block, [tmp_path] * 3))

    assert len(set(blocks)) == 3


def test_a_site_moves_from_ports_that_somebody_took(place):
    before = place.block
    with socket.create_server(("127.0.0.1", place.port("objects", 6))):
        place.move_if_taken(seaweed.ports(place).values())

        assert place.block != before


def test_a_folder_that_is_not_ours_alone_is_not_trusted(tmp_path):
    """Somebody else could have put a link in the public place to receive our passwords."""
    link = tmp_path / "sockets"
    link.symlink_to(tmp_path)

    with pytest.raises((PlaceError, FileExistsError)):
        private_folder(link)


def test_named_engines_are_not_embedded(place):
    named = {
        "HELIOGRAPH_LOG_URL": "redis://log",
        "HELIOGRAPH_DATABASE_URL": "postgresql://db/x",
        "HELIOGRAPH_DATABASE_READER_URL": "postgresql://reader@db/x",
    }
    settings, told = settings_of(named, place)

    assert embedded_engines(named) == ["objects", "cache"]
    assert settings.log_url == "redis://log"
    assert settings.cache_url.startswith("unix://")
    assert told["HELIOGRAPH_ENGINES"] == "engines.conf"
    assert place.secret("site") not in told.values(), "the secret stays in its file"


def test_a_reader_of_another_database_is_refused(place):
    with pytest.raises(SettingsError, match="name both, or neither"):
        settings_of({"HELIOGRAPH_DATABASE_READER_URL": "postgresql://r@db/x"}, place)


def test_what_a_killed_supervisord_left_is_ended_and_nothing_else(place):
    """A process is known by what only this site's supervisord can have told it."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    mark = {"SUPERVISOR_SERVER_URL": f"unix://{place.sockets}/supervisor.sock"}
    ours = subprocess.Popen(sleep, env={**os.environ, **mark})
    other = subprocess.Popen(sleep, env={**os.environ, "HELIOGRAPH_SOCKETS": str(place.sockets)})
    try:
        # The environment is visible once the child has become the program.
        deadline = time.monotonic() + 10
        while ours.poll() is None and time.monotonic() < deadline:
            end_leftovers(place)

        assert ours.wait(timeout=10) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_a_shell_that_was_told_of_the_site_still_runs_its_engines(tmp_path):
    """`eval "$(python -m runtime env)"` names them too; they are no less the site's own."""
    environ = {"HELIOGRAPH_VAR": str(tmp_path / "var")}
    site = find_site(environ)

    again = find_site(environ | site.environ)

    assert again.embedded == site.embedded == list(ENGINES)
    assert find_site(site.environ | {"HELIOGRAPH_CACHE_URL": "redis://there"}).embedded == [
        "objects",
        "database",
        "log",
    ]
