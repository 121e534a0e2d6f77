"""Log lines as a process writes them, read from its standard error."""

import json
import subprocess
import sys

SCRIPT = """
import asyncio
from runtime.loglines import configure_logging, log

configure_logging("info")

def sign_in(password):
    raise ValueError("no such name")

async def main():
    for number in range(3):
        log().info("request.served", number=number)
    await asyncio.sleep(0.3)
    log().info("request.served", number=3)
    try:
        sign_in("correct horse")
    except ValueError as error:
        log().error("request.failed", exc_info=error)
    log().info("process.ended", text="half a pair: \\ud800")

asyncio.run(main())
"""


def lines_of(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return done.stderr.decode().splitlines()


def test_every_line_is_json_in_the_order_written_and_the_last_is_not_lost():
    """Held lines come out by themselves, with an error at once, and at the end of the process."""
    lines = [json.loads(line) for line in lines_of(SCRIPT)]

    assert [line["event"] for line in lines] == [
        *["request.served"] * 4,
        "request.failed",
        "process.ended",
    ]
    assert [line.get("number") for line in lines[:4]] == [0, 1, 2, 3]
    assert {"level", "timestamp"} <= lines[0].keys()


def test_a_traceback_tells_no_values():
    """Among locals are passwords, captions and keys."""
    [failed] = [line for line in lines_of(SCRIPT) if "request.failed" in line]

    assert "no such name" in failed
    assert "sign_in" in failed
    assert "correct horse" not in failed
