"""A process that has imported everything and forks a life for each order: a fork takes no imports.

`python -m tests.crashes.template FOLDER` reads orders from its input, one JSON object a line, and
answers each with how that life ended. It ends when its input does.
"""

import os
import sys
from pathlib import Path

import msgspec

from tests.crashes.lives import Order, live


def main() -> None:
    output = Path(sys.argv[1])
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        child = os.fork()
        if child == 0:
            become(order, output)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(order: Order, output: Path) -> None:
    """Never returns: the life ends by its death, or by the exit of this process."""
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    try:
        live(order)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
