"""Bearer tokens: signed, a pure function of the event that opened the session.

Nothing about a token is stored, so repeating a sign-in yields the same one. What ends it early is a
revocation, which `Notices` knows.
"""

from collections import OrderedDict

import jwt

from events.ids import created_ms
from gateway.viewer import Viewer
from runtime.errors import Unauthenticated
from runtime.secrets import derive

LIFE_SECONDS = 30 * 24 * 3600
ALGORITHM = "HS256"
REMEMBERED = 20_000  # about 10 MB; checking a signature anew costs 60 µs, on every feed read
MAX_CHARACTERS = 1_024


class Tokens:
    """Issues and verifies tokens, and remembers those verified last."""

    def __init__(self, site_secret: bytes) -> None:
        self._key = derive(site_secret, "tokens")
        self._verified: OrderedDict[str, tuple[Viewer, int]] = OrderedDict()

    def issue(self, account_id: int, session_id: int) -> tuple[str, int]:
        """The token of a session, and when it ends in Unix seconds."""
        issued = created_ms(session_id) // 1000
        expires = issued + LIFE_SECONDS
        claims = {"sub": str(account_id), "jti": str(session_id), "iat": issued, "exp": expires}
        return jwt.encode(claims, self._key, ALGORITHM), expires

    def verify(self, token: str, now: float) -> Viewer:
        """Who holds the token; `Unauthenticated` when it is not ours or has expired."""
        known = self._verified.get(token)
        if known is None:
            known = self._check(token)
            self._remember(token, known)
        viewer, expires = known
        if expires <= now:
            raise bad_token("The token has expired.")
        return viewer

    def _check(self, token: str) -> tuple[Viewer, int]:
        if len(token) > MAX_CHARACTERS:
            raise bad_token("The token is not one of ours.")
        try:
            # Time is judged by `verify`, on each use; the log's clock may be ahead of ours.
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                options={
                    "require": ["sub", "jti", "iat", "exp"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            session_id = int(claims["jti"])
            viewer = Viewer(int(claims["sub"]), session_id, created_ms(session_id))
            return viewer, int(claims["exp"])
        except (jwt.InvalidTokenError, ValueError):
            raise bad_token("The token is not one of ours.") from None

    def _remember(self, token: str, known: tuple[Viewer, int]) -> None:
        self._verified[token] = known
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)


def bad_token(detail: str) -> Unauthenticated:
    return Unauthenticated("bad-token", detail)
