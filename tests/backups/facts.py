"""What tables say, whichever verdicts say it: those that were lost are announced again, later.

A wish that repeats an accepted one may then be accepted itself: the follow holds either way.
"""

import re

from tests.rebuilds.rebuilt import rows_of


async def facts_of(settings):
    found = await rows_of(settings)
    return {
        table: [re.sub(r"(verdict_version|accepted_wish)=\d+", "", row) for row in rows]
        for table, rows in found.items()
    }
