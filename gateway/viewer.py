"""Who asks: the account behind a verified token."""

from typing import NamedTuple


class Viewer(NamedTuple):
    """`token_id` is the event that opened the session."""

    account_id: int
    token_id: int
