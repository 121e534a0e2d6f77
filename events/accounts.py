"""Topic `accounts`: who is here, how they sign in, what they say of themselves."""

from msgspec import UNSET, UnsetType

from events.envelope import Event, Sealed


class AccountEvent(Event, frozen=True, kw_only=True):
    """An event of the topic `accounts`."""

    TOPIC = "accounts"


class AccountRegistered(AccountEvent, frozen=True, kw_only=True, tag="account.registered"):
    """A name was taken and an account opened under it; its id is the event's own.

    The username travels in the clear: it stays reserved when everything else is erased.
    Announced by gateway/accounts.py; read by workers/accounts.py.
    """

    username: str
    display_name: Sealed[str] = ""
    password_hash: Sealed[str] = ""
    client_address: Sealed[str] = ""


class SessionOpened(AccountEvent, frozen=True, kw_only=True, tag="session.opened"):
    """Somebody proved the password; the token's id is the event's own.

    Announced by gateway/sessions.py; read by nobody yet: the list of devices will be. A repeated
    sign-in is answered from it.
    """

    client_address: Sealed[str] = ""
    user_agent: Sealed[str] = ""
    account: Sealed[bytes] = b""
    """The account's JSON as it was answered, so that a repeat gets an equal body."""


class SessionsRevoked(AccountEvent, frozen=True, kw_only=True, tag="sessions.revoked"):
    """One token, or every token issued to the actor before this moment, no longer counts.

    The append function writes it to `revoked:{p}` in the same step; gateways hear it as a notice.
    Announced by gateway/sessions.py; read by nobody else: revocation is the append itself.
    """

    HIDES = True

    token_id: int | None = None
    """The one token, or None for all of them."""


class PasswordChanged(AccountEvent, frozen=True, kw_only=True, tag="password.changed"):
    """A new password; every session but the one that changed it has ended.

    Announced by gateway/sessions.py; read by workers/accounts.py.
    """

    HIDES = True

    password_hash: Sealed[str] = ""
    kept_token_id: int | None = None


class AccountErased(AccountEvent, frozen=True, kw_only=True, tag="account.erased"):
    """The actor took back everything; only the username stays, reserved.

    The append function destroys the account's key, by which all it ever sealed becomes unreadable,
    and ends its tokens in the same step. No command of the account follows.
    Announced by gateway/erasing.py; read by workers/accounts.py, workers/posts.py,
    workers/graph.py, workers/forgetting.py and workers/erasures.py.
    """

    HIDES = True


class ProfileEdited(AccountEvent, frozen=True, kw_only=True, tag="profile.edited"):
    """Any of the profile's registers was set; what was not named is not touched.

    Announced by gateway/accounts.py; read by workers/accounts.py and workers/graph.py.
    """

    HIDES = True

    display_name: Sealed[str | UnsetType] = UNSET
    bio: Sealed[str | UnsetType] = UNSET
    private: bool | UnsetType = UNSET
