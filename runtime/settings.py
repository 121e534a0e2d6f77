"""Every setting of a process, read once from HELIOGRAPH_* and frozen.

A wrong one stops the process at once, with the variable's name and what it wants.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec

PREFIX = "HELIOGRAPH_"


class SettingsError(Exception):
    """A variable is missing or wrong; the text names it and says what it wants."""


class Secret:
    """Text that never prints itself; `reveal()` where it is used."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def wants(text: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=text, **limits)


def count(text: str, *, least: int = 1, most: int = 1_000_000) -> msgspec.Meta:
    return wants(f"{text}: a whole number from {least} to {most}", ge=least, le=most)


REDIS = r"^(redis|rediss|unix)://"

LogUrl = Annotated[str, wants("the log: redis://, rediss:// or unix:// address", pattern=REDIS)]
CacheUrl = Annotated[str, wants("the cache: redis://, rediss:// or unix:// address", pattern=REDIS)]
DatabaseUrl = Annotated[
    str, wants("PostgreSQL: a postgresql:// address", pattern=r"^postgres(ql)?://")
]
ObjectsUrl = Annotated[
    str, wants("S3: http(s)://key:secret@host:port/bucket", pattern=r"^https?://[^/]+:.+@.+/.+")
]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Field `log_url` is the variable HELIOGRAPH_LOG_URL, and so on; see docs/settings.md."""

    # Where the engines are.
    log_url: LogUrl
    cache_url: CacheUrl
    database_url: DatabaseUrl
    database_reader_url: DatabaseUrl
    objects_url: ObjectsUrl
    # What signs tokens and addresses and wraps account keys.
    secret: Annotated[Secret, wants("32 or more characters, the same in every process")]
    # The site.
    port: Annotated[int, count("the port of the one address", most=65_535)] = 8080
    var: Annotated[Path, wants("the folder that holds everything a site keeps")] = Path("var")
    partitions: Annotated[
        int, wants("a power of two from 1 to 128, fixed for a site's life", ge=1, le=128)
    ] = 8
    log_replicas: Annotated[int, count("replicas that confirm each append", least=0, most=8)] = 0
    log_budget_mebibytes: Annotated[int, count("memory that topics may take, in MiB")] = 1_024
    log_level: Annotated[
        str, wants("debug, info, warning or error", pattern="^(debug|info|warning|error)$")
    ] = "info"
    # Processes.
    gateways_read: Annotated[int, count("read gateway processes", most=64)] = 1
    gateways_write: Annotated[int, count("write gateway processes", most=64)] = 1
    workers_accounts: Annotated[int, count("processes of the role", most=64)] = 1
    workers_renditions: Annotated[int, count("processes of the role", most=64)] = 1
    workers_posts: Annotated[int, count("processes of the role", most=64)] = 1
    workers_graph: Annotated[int, count("processes of the role", most=64)] = 1
    workers_fanout: Annotated[int, count("processes of the role", most=64)] = 1
    # Limits.
    limit_sign_ups: Annotated[int, count("sign-ups a minute of one address")] = 60
    limit_sign_ins: Annotated[int, count("sign-ins a minute of one address")] = 120
    limit_uploads: Annotated[int, count("uploads an hour of one account")] = 1_200
    limit_commands: Annotated[int, count("other commands a minute of one account")] = 300
    limit_reads: Annotated[int, count("reads a minute of one account at one gateway")] = 6_000
    most_requests: Annotated[int, count("requests at once in one gateway")] = 1_000
    most_uploads: Annotated[int, count("uploads at once in one gateway")] = 256
    most_upload_mebibytes: Annotated[
        int, count("bytes of the uploads at once in one gateway, in MiB", least=256)
    ] = 2_048
    most_wait_seconds: Annotated[
        int, count("how long an accepted upload may wait to be begun", least=60)
    ] = 3_600
    # Deliveries.
    batch_size: Annotated[int, count("deliveries a handler gets at once", most=5_000)] = 200
    lease_seconds: Annotated[int, count("silence after which work is taken over", most=3_600)] = 30
    attempts: Annotated[int, count("tries before a delivery is buried", most=100)] = 8
    # Feeds.
    pull_above: Annotated[
        int, count("active followers up to whom a post is pushed", least=0, most=1_000_000_000)
    ] = 100_000
    # Photos.
    decoders: Annotated[int, count("decoding child processes a worker has", most=64)] = 2
    decode_seconds: Annotated[int, count("time limit of one photo's decoding", most=600)] = 60
    decode_mebibytes: Annotated[
        int, count("memory limit of one decoder", least=256, most=65_536)
    ] = 2048

    def __post_init__(self) -> None:
        if self.partitions & (self.partitions - 1):
            raise ValueError(explain("partitions", str(self.partitions)))
        if len(self.secret.reveal()) < 32:
            raise ValueError(explain("secret", None))

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name}={redact(str(getattr(self, name)))!r}" for name in self.__struct_fields__
        )
        return f"Settings({fields})"

    def replace(self, **changes: Any) -> Self:
        return msgspec.structs.replace(self, **changes)


def load(environ: Mapping[str, str]) -> Settings:
    """Read every setting, or raise `SettingsError` with the first that is missing or wrong."""
    values = read(environ)
    for name in required():
        if name not in values:
            raise SettingsError(explain(name, None))
    try:
        return Settings(**values)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def read(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that are given, each converted; an empty variable counts as absent."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = environ.get(variable(field.name), "").strip()
        if field.name == "secret" and not text:
            text = secret_from_file(environ)
        if text:
            values[field.name] = convert(field.name, text, field.type)
    return values


def convert(name: str, text: str, wanted: Any) -> Any:
    try:
        return msgspec.convert(text, wanted, strict=False, dec_hook=lambda kind, raw: kind(raw))
    except msgspec.ValidationError:
        raise SettingsError(explain(name, text)) from None


def secret_from_file(environ: Mapping[str, str]) -> str:
    path = environ.get(f"{PREFIX}SECRET_FILE", "").strip()
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{PREFIX}SECRET_FILE wants a readable file with the site's secret: {error}"
        raise SettingsError(message) from None


def required() -> list[str]:
    return [field.name for field in msgspec.structs.fields(Settings) if field.required]


def variable(name: str) -> str:
    return PREFIX + name.upper()


def explain(name: str, text: str | None) -> str:
    """One sentence: the variable, what it wants, and what it got (never a secret or password)."""
    field = next(each for each in msgspec.structs.fields(Settings) if each.name == name)
    description = next(
        meta.description for meta in field.type.__metadata__ if isinstance(meta, msgspec.Meta)
    )
    if text is None:
        got = "is missing or too short" if name == "secret" else "is missing"
    else:
        got = "got something else" if name == "secret" else f"got {redact(text)!r}"
    return f"{variable(name)} wants {description}; {got}"


def redact(text: str) -> str:
    """The text without the passwords of any address in it."""
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
