"""What the commands of `python -m events` have in common: how they are declared, what they take."""

import argparse
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

ASKED = "Interrupted. Nothing was changed."
DECIDED = "Interrupted. What was told is done; of the rest nothing is, or all of it."
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def add_command(
    to: Any,
    name: str,
    run: Any,
    text: str,
    *,
    epilog: str,
    description: str = "",
    interrupted: str = ASKED,
) -> argparse.ArgumentParser:
    """A command, or a group of commands where `run` is None; each has `--json`.

    `interrupted` is what is said after Ctrl-C: `ASKED`, `DECIDED`, or a sentence of the command's.
    """
    made: argparse.ArgumentParser = to.add_parser(
        name,
        help=text,
        description=description or f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run, teaching=made, interrupted=interrupted)
    if run is not None:
        made.add_argument("--json", action="store_true", help="one JSON object a line")
    return made


def moment(text: str) -> int:
    """An argument that says when, in Unix ms: `90s`, `15m`, `2h`, `3d` ago, or ISO 8601 (UTC)."""
    if ago := re.fullmatch(r"(\d+)([smhd])", text):
        return int((time.time() - int(ago[1]) * SECONDS[ago[2]]) * 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is neither like 2h or 3d, nor like 2026-11-24T12:00Z"
        raise argparse.ArgumentTypeError(message) from None
    # In whole numbers: as a fraction of seconds a millisecond may come out as the one before.
    return (at.replace(tzinfo=at.tzinfo or UTC) - UNIX_EPOCH) // timedelta(milliseconds=1)


def rfc3339(ms: int) -> str:
    """A moment as it is told: UTC, to the millisecond."""
    try:
        at = UNIX_EPOCH + timedelta(milliseconds=ms)
    except OverflowError:  # an entry may stand at any 63 bits
        return f"{ms} ms"
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"
