"""`python -m runtime engines COMMAND...`: a command beside a site's engines and nothing else."""

import asyncio
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from runtime.bucket import make_bucket
from runtime.engines import postgres, seaweed
from runtime.engines.start import PREPARATIONS, Engines
from runtime.progress import say
from runtime.site import Site, find_site, only_one

START_SECONDS = 30


def with_engines(environ: Mapping[str, str], command: Sequence[str]) -> int:
    """The command's exit status. Of a site that runs, its engines are used as they are."""
    site = find_site(environ)
    with only_one(site) as alone:
        if not alone or site.supervisor.answers():
            return run(command, site)
        with engines_of(site):
            return run(command, find_site(environ))


@contextmanager
def engines_of(site: Site) -> Iterator[None]:
    """The embedded ones, with roles and bucket, until the block ends."""
    if "objects" in site.embedded:
        site.place.move_if_taken(seaweed.ports(site.place).values())
    with Engines(site.place) as engines:
        for name in site.embedded:
            PREPARATIONS[name](site.place)
            engines.launch(name)
        for name in site.embedded:
            engines.wait(name, START_SECONDS)
        if "database" in site.embedded:
            asyncio.run(postgres.make_roles(site.place))
        if "objects" in site.embedded:
            say(asyncio.run(make_bucket(seaweed.url(site.place))))
        yield


def run(command: Sequence[str], site: Site) -> int:
    try:
        return subprocess.run(command, env=site.environ, check=False).returncode
    except KeyboardInterrupt:  # the command had it too, and has said what it leaves
        return 130
