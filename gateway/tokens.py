"""Bearer tokens: signed, a pure function of the event that opened the session.

Nothing about a token is stored, so repeating a sign-in yields the same one. What ends it early is a
revocation, which `Notices` knows.
"""

import jwt

from events.ids import created_ms
from events.revocations import TOKEN_LIFE_MS
from gateway.viewer import Viewer
from runtime.errors import Unauthenticated
from runtime.secrets import derive
from stores.lru import Lru

LIFE_SECONDS = TOKEN_LIFE_MS // 1000
ALGORITHM = "HS256"
REMEMBERED_BYTES = 16 * 2**20  # checking a signature anew costs 60 µs, on every feed read
VERIFIED_BYTES = 300  # of the viewer, three numbers and what holds them; measured, rounded up
MAX_CHARACTERS = 1_024


class Tokens:
    """Issues and verifies tokens, and remembers those verified last."""

    def __init__(self, site_secret: bytes) -> None:
        self._key = derive(site_secret, "tokens")
        self._verified: Lru[str, tuple[Viewer, int]] = Lru(REMEMBERED_BYTES)

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
            self._verified.put(token, known, VERIFIED_BYTES + len(token))
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
            return Viewer(int(claims["sub"]), int(claims["jti"])), int(claims["exp"])
        except (jwt.InvalidTokenError, ValueError):
            raise bad_token("The token is not one of ours.") from None


def bad_token(detail: str) -> Unauthenticated:
    return Unauthenticated("bad-token", detail)
