"""Which tokens ended before their time, in memory."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from events.accounts import AccountErased, PasswordChanged, SessionsRevoked
from events.envelope import Delivery
from events.ids import SEQUENCES, Position, make_id, shard_of
from events.revocations import TOKEN_LIFE_MS, Revocation


class Ended(NamedTuple):
    """All of an account's tokens issued before an event no longer count, save one."""

    before_id: int
    kept_token_id: int | None
    expires_ms: int


class Revocations:
    """Fed with what the log keeps of them and with every later notice, in any order."""

    def __init__(self) -> None:
        self._tokens: dict[int, int] = {}
        self._accounts: dict[int, Ended] = {}

    def ends(self, account_id: int, token_id: int) -> bool:
        """Whether a token that is still within its life has been ended."""
        if token_id in self._tokens:
            return True
        ended = self._accounts.get(account_id)
        return ended is not None and token_id < ended.before_id and token_id != ended.kept_token_id

    def load(self, revocations: Iterable[Revocation]) -> None:
        """What the log keeps, longer than it keeps notices."""
        for each in revocations:
            # Which of two tokens of the same millisecond came first is not kept: end both.
            position = Position(each.issued_before_ms, SEQUENCES - 1)
            before_id = make_id(position, shard_of(each.account_id))
            ended = Ended(before_id, each.kept_token_id, each.expires_ms)
            self._end(each.account_id, each.token_id, ended)

    def hear(self, delivery: Delivery[Any]) -> None:
        expires_ms = delivery.position.ms + TOKEN_LIFE_MS
        match delivery.event:
            case SessionsRevoked(token_id=token_id):
                self._end(delivery.actor, token_id, Ended(delivery.id, None, expires_ms))
            case PasswordChanged(kept_token_id=kept):
                self._end(delivery.actor, None, Ended(delivery.id, kept, expires_ms))
            case AccountErased():
                self._end(delivery.actor, None, Ended(delivery.id, None, expires_ms))

    def forget_expired(self, now_ms: int) -> None:
        """Drop those of which every token has expired by itself."""
        self._tokens = {key: ends for key, ends in self._tokens.items() if ends > now_ms}
        self._accounts = {
            k: ended for k, ended in self._accounts.items() if ended.expires_ms > now_ms
        }

    def _end(self, account_id: int, token_id: int | None, ended: Ended) -> None:
        if token_id is not None:
            self._tokens[token_id] = ended.expires_ms
            return
        known = self._accounts.get(account_id)
        self._accounts[account_id] = ended if known is None else both(known, ended)


def both(one: Ended, other: Ended) -> Ended:
    """What two revocations end together: a token kept by the later may be ended by the earlier."""
    earlier, later = sorted((one, other), key=lambda each: each.before_id)
    kept = later.kept_token_id
    if kept is not None and kept < earlier.before_id and kept != earlier.kept_token_id:
        kept = None
    return Ended(later.before_id, kept, max(one.expires_ms, other.expires_ms))
