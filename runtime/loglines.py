"""Log lines: one canonical line per request and per batch, pretty on a terminal, JSON otherwise.

Names are static and dotted (`request.served`); what varies goes into fields. Never bind `event`,
it is structlog's own key: an event's fields are `event_id` and `event_type`.
"""

import asyncio
import atexit
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

HELD_SECONDS = 0.1


def configure_logging(level: str) -> None:
    """Once, at the start of a process. Lines go to standard error, other libraries' too."""
    pretty = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if pretty
        else [
            # Without locals: among them are passwords, captions and keys.
            ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            as_json,
        ]
    )
    lines = Lines()
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr) if pretty else lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    # Libraries speak up only when something is wrong.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def as_json(_logger: object, _level: str, fields: MutableMapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(fields, enc_hook=str).decode()
    except (
        UnicodeEncodeError
    ):  # half a surrogate in some text; a line must never fail what it tells
        return json.dumps(fields, default=str)


class Lines:
    """Writes lines to standard error a few at a time, warnings and errors at once.

    A write for each line costs more than the request it tells of, here and in whoever reads it.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lock = threading.Lock()
        atexit.register(self.flush)

    def info(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) != 1:
            return  # whoever wrote the first has seen to it
        try:
            asyncio.get_running_loop().call_later(HELD_SECONDS, self.flush)
        except RuntimeError:  # no loop in this thread
            self.flush()

    def warning(self, line: str) -> None:
        self._lines.append(line)
        self.flush()

    debug = msg = info
    error = critical = fatal = warn = exception = warning

    def flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                sys.stderr.write("\n".join(lines) + "\n")
                sys.stderr.flush()


def json_lines() -> Lines | None:
    """Where finished lines of JSON may go past structlog; None where they are pretty, or untold.

    A line costs structlog ten times what its text does: for the one line that thousands are of.
    """
    lines = structlog.get_config()["logger_factory"]()
    told = isinstance(lines, Lines) and log().bind().is_enabled_for(logging.INFO)
    return lines if told else None


def log() -> Any:
    """The logger; what `bound` holds is on every line of it."""
    return structlog.get_logger()


def bound(
    *, request: str = "", cause: str = "", event_id: int | None = None, event_type: str = ""
) -> AbstractContextManager[None]:
    """Name what is being worked on, for every line written inside the block."""
    fields = {"request": request, "cause": cause, "event_id": event_id, "event_type": event_type}
    return structlog.contextvars.bound_contextvars(
        **{name: value for name, value in fields.items() if value}
    )


@contextmanager
def canonical(name: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """One line when the block ends, however it ends: its duration and all that was added to it."""
    started = time.perf_counter()
    try:
        yield fields
    except BaseException as error:
        fields.setdefault("error", type(error).__name__)
        raise
    finally:
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        log().info(name, milliseconds=milliseconds, **fields)
