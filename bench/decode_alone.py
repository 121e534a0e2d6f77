"""The reference for uploads: the chosen decoder alone. `python -m bench.decode_alone PHOTO TIMES`.

Decodes the photo, makes and writes the same renditions as a worker's child does, over and over;
says the wall and the CPU seconds of each as JSON.
"""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from workers.imaging.recipe import Rendered
from workers.imaging.render import refuse_other_loaders, render


def main() -> None:
    photo, times = Path(sys.argv[1]), int(sys.argv[2])
    refuse_other_loaders()
    rounds = []
    for _ in range(times + 1):
        with TemporaryDirectory() as scratch:
            wall, cpu = time.perf_counter(), time.process_time()
            rendered = render(photo, Path(scratch))
            rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
        if not isinstance(rendered, Rendered):
            sys.exit(f"not rendered: {rendered}")
    print(json.dumps(rounds[1:]))  # the first one also loads libraries


if __name__ == "__main__":
    main()
