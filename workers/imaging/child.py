"""A decoder child: reads jobs from its stdin, answers on its stdout, dies of any excess.

Holds no secret and no connection. It ignores polite signals: its worker decides when it ends, by
closing its stdin or killing it.
"""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from workers.imaging.recipe import Job
from workers.imaging.render import refuse_other_loaders, render

LENGTH_BYTES = 4
# A photo can wait a moment, somebody who reads a page beside it should not.
YIELDING = 10
_MAX_RENDITION_BYTES = 256 * 1024 * 1024


def main() -> None:
    seconds, mebibytes = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    jobs, answers = private_pipes()
    refuse_other_loaders()
    limit_space(mebibytes)
    answers.write(b"\0" * LENGTH_BYTES)  # ready
    answers.flush()
    os.nice(YIELDING)
    while len(length := jobs.read(LENGTH_BYTES)) == LENGTH_BYTES:
        job = msgspec.msgpack.decode(jobs.read(int.from_bytes(length)), type=Job)
        limit_cpu(seconds)
        answer = render(Path(job.source), Path(job.scratch))
        frame = msgspec.msgpack.encode(answer)
        answers.write(len(frame).to_bytes(LENGTH_BYTES) + frame)
        answers.flush()


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Both ends of the talk, out of reach of anything a library prints."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return jobs, answers


def limit_space(mebibytes: int) -> None:
    """Bound memory on top of what the libraries have mapped, the size of a file, open files."""
    mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    space = mapped * resource.getpagesize() + mebibytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_RENDITION_BYTES, _MAX_RENDITION_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu(seconds: int) -> None:
    """Let the next job take this much CPU; beyond it the kernel ends the process by SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
