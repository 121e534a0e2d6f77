"""What the processes of a site spend: CPU seconds of each, with the children it started."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.standing import Standing, cpu_seconds


def standing_cpu(standing: Standing) -> Counter[str]:
    """CPU seconds of each process of the site so far, with its children."""
    spent: Counter[str] = Counter()
    for process in standing.behind.supervisor.processes():
        for pid in family(process.pid) if process.pid else ():
            with suppress(OSError):
                spent[process.name] += cpu_seconds(pid)
    return spent


def family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child_pid in (task / "children").read_text(encoding="ascii").split():
                yield from family(int(child_pid))


def most(spent: Counter[str], count: int = 6) -> str:
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in spent.most_common(count))
