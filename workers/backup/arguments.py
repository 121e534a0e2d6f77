"""The arguments of `python -m events backup`, `restore` and `bring-back`."""

import argparse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from events.arguments import add_command, moment
from events.ids import Position
from events.telling import Desk, Told
from workers.backup.folder import Backup
from workers.backup.making import drop_expired, make_backup
from workers.backup.restoring import bring_log_back, restore

KEEP_DAYS = 30.0
"""As long as backups may keep what people have erased."""

BACKUP = """\
Copies a site while it is in use: a dump of its tables with their digests, every key of its log, and
every object, into a folder that all its backups share. Objects are copied once; a manifest with the
hash of everything is written last. Backups older than 30 days are removed.
"""

RESTORE = """\
Puts a backup into an empty site, none of whose gateways and workers run, and compares the digest of
every table. What was recorded after the tables were dumped is delivered again when workers start.
"""

BRING_BACK = """\
Begins an empty log anew from the archive, and from the keys in the database's vault: for when the
log server was lost with its disk. Lost is what was never archived (at most half a minute when all
is well), and the idempotency keys of clients. Names, sessions that were ended, and answers that
workers gave come back. Then start the site, and run `rebuild all`.
"""

EXAMPLES = """\
  make backup TO=backups
  make restore FROM=backups/2026-11-28T031500Z
  python -m events bring-back --since 2h

"""


def declare(groups: Any, *, epilog: str) -> None:
    shared = {"epilog": EXAMPLES + epilog}
    text = "copy a site that can be put back"
    backing_up = add_command(groups, "backup", backup, text, description=BACKUP, **shared)
    backing_up.add_argument("folder", type=Path, metavar="FOLDER", help="of all its backups")
    backing_up.add_argument(
        "--keep-days", type=float, default=KEEP_DAYS, metavar="N", help="30, if not said"
    )
    text = "put a backup into an empty site"
    restoring = add_command(groups, "restore", put_back, text, description=RESTORE, **shared)
    restoring.set_defaults(begins_log=True)
    restoring.add_argument("backup", type=Path, metavar="BACKUP", help="a folder in that folder")
    text = "begin a lost log anew from the archive"
    returning = add_command(
        groups, "bring-back", return_log, text, description=BRING_BACK, **shared
    )
    returning.set_defaults(begins_log=True)
    returning.add_argument(
        "--since",
        type=moment,
        default="1h",
        metavar="WHEN",
        help="from when on events are delivered again; 1h, if not said",
    )


async def backup(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    async for told in make_backup(desk.settings, desk.log, arguments.folder):
        yield told
    if removed := drop_expired(arguments.folder, arguments.keep_days):
        yield removed


async def put_back(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    async for told in restore(desk.settings, desk.log, Backup(arguments.backup)):
        yield told


async def return_log(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    since = Position(arguments.since, 0)
    async for told in bring_log_back(desk.settings, desk.log, since):
        yield told
