"""The environment of a one-machine site: every setting, our own engines where none is named."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from runtime.engines import nginx, postgres, seaweed, valkey
from runtime.engines.place import Place
from runtime.settings import PREFIX, Secret, Settings, SettingsError, load, variable

ROOT = Path(__file__).resolve().parent.parent

ENGINES = ("objects", "database", "log", "cache")


def embedded_engines(environ: Mapping[str, str]) -> list[str]:
    """The engines that are not named from outside; the slowest to start comes first."""
    return [name for name in ENGINES if not environ.get(variable(f"{name}_url"))]


def settings_of(environ: Mapping[str, str], place: Place) -> tuple[Settings, dict[str, str]]:
    """The site's settings, and all that its processes and supervisord.conf need to be told."""
    told = {**environ, **own_urls(environ, place)}
    if not (told.get(f"{PREFIX}SECRET") or told.get(f"{PREFIX}SECRET_FILE")):
        place.secret("site")
        told[f"{PREFIX}SECRET_FILE"] = str(place.var / "secrets" / "site")
    told[f"{PREFIX}VAR"] = str(place.var)
    settings = load(told)
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        # A secret stays in its file; the rest is written out, for supervisor's expansions.
        if not isinstance(value, Secret):
            told[variable(name)] = str(value)
    return settings, told | machine(environ, place)


def from_outside(environ: Mapping[str, str], place: Place) -> dict[str, str]:
    """The environment without the engines of this very site, which `runtime env` names as well."""
    own = {variable(name): url for urls in urls_of(place).values() for name, url in urls.items()}
    return {name: value for name, value in environ.items() if own.get(name) != value}


def own_urls(environ: Mapping[str, str], place: Place) -> dict[str, str]:
    urls, embedded = urls_of(place), embedded_engines(environ)
    if "database" in embedded and environ.get(variable("database_reader_url")):
        raise SettingsError(
            f"{variable('database_reader_url')} names a database, {variable('database_url')} "
            "does not: name both, or neither"
        )
    return {variable(name): url for engine in embedded for name, url in urls[engine].items()}


def urls_of(place: Place) -> dict[str, dict[str, str]]:
    """Of each engine that a site may run itself, the settings that name it."""
    return {
        "log": {"log_url": valkey.url(place, "log")},
        "cache": {"cache_url": valkey.url(place, "cache")},
        "objects": {"objects_url": seaweed.url(place)},
        "database": {
            "database_url": postgres.url(place),
            "database_reader_url": postgres.url(place, "heliograph_reader"),
        },
    }


def machine(environ: Mapping[str, str], place: Place) -> dict[str, str]:
    """Where things stand on this machine: what supervisord.conf and engines.conf refer to."""
    embedded = embedded_engines(environ)
    names = {
        "PYTHON": sys.executable,
        "SOCKETS": str(place.sockets),
        "PORT_BLOCK": place.block,
        "AUTOSTART": environ.get(f"{PREFIX}AUTOSTART", "true"),
        "ENGINES": "engines.conf" if embedded else "",
        "NGINX": str(nginx.binary()),
        "VALKEY": str(valkey.binary()),
        "WEED": str(seaweed.binary()),
        "POSTGRES": "",
    }
    if "database" in embedded:
        names["POSTGRES"] = shlex.join(
            [*postgres.as_ordinary_user(), str(postgres.binary("postgres"))]
        )
    return {f"{PREFIX}{name}": value for name, value in names.items()}
