"""A small record, and what a site must show after it."""

from copy import deepcopy

SOON, LATER = "2026-05-01T12:00:00.000Z", "2026-05-01T12:00:01.000Z"


class Clients:
    """Writes a record as the load does; each command takes a second of its own."""

    def __init__(self):
        self.lines = []

    def say(self, who, does, body=None, *, outcome="ok", strays=0, status=202, faults=0, **about):
        began = 100.0 * len(self.lines)
        self.lines.append(
            {
                "who": who,
                "does": does,
                "about": about,
                "key": f"{who} {len(self.lines)}",
                "outcome": outcome,
                "status": status,
                "body": body or {},
                "began": began,
                "ended": began + 1,
                "strays": strays,
                "attempts": 1,
                "faults": faults,
            }
        )

    def register(self, who):
        account = {"id": who, "display_name": who, "bio": "", "private": False}
        body = {"token": f"token of {who}", "account": account}
        self.say(who, "register", body, status=201, command={"username": who})

    def edit(self, who, *, outcome="ok", strays=0, **fields):
        self.say(who, "edit", {"event": "e"}, outcome=outcome, strays=strays, fields=fields)


def true_record():
    """Bob follows Ada, who posted thrice and took one back, and asked Cyd, who is private.

    Nobody was told whether Bob's edit acted.
    """
    clients = Clients()
    for who in ("ada", "bob", "cyd"):
        clients.register(who)
    clients.edit("cyd", private=True)
    clients.edit("ada", bio="of Ada")
    clients.edit("bob", outcome="unknown", strays=1, bio="of Bob", display_name="Bobby")
    clients.say("bob", "follow", {"event": "f1"}, other="ada")
    clients.say("bob", "follow", {"event": "f2"}, other="cyd")
    clients.say("ada", "upload", {"id": "7", "event": "p7"}, caption="one", photos=["a1", "a2"])
    clients.say("ada", "upload", {"id": "8", "event": "p8"}, caption="two", photos=["a3"])
    clients.say("ada", "upload", {"id": "9", "event": "p9"}, caption="three", photos=["a1"])
    clients.say("ada", "delete", {"event": "d8"}, post="8")
    clients.say("ada", "upload", outcome="refused", status=503, caption="four", photos=["a4"])
    return clients


def photo(digest):
    return {"renditions": [{"url": f"/media/{digest}/64.webp?e=1"}]}


def post(number, caption, when, *digests):
    shown = [photo(each) for each in digests]
    fields = {"id": number, "caption": caption, "published_at": when}
    return fields | {"state": "published", "photos": shown}


def account(bio="", *, private=False, name, **counts):
    counts = {"posts": 0, "followers": 0, "following": 0} | counts
    return {"display_name": name, "bio": bio, "private": private, "counts": counts}


def seen(account, **found):
    nothing = {"posts": [[]], "followers": [[]], "following": [[]], "feed": [[]], "edges": {}}
    empty = {"single": {}, "commands": {}, "to_a_stranger": 200}
    again = [201, account["display_name"], True]
    return nothing | empty | {"account": account, "again": again} | found


def true_sight():
    """The truth of these clients."""
    posts = [[post("9", "three", LATER, "a1")], [post("7", "one", SOON, "a1", "a2")]]
    ada, bob = {"username": "ada"}, {"username": "bob"}
    return {
        "members": {
            "ada": seen(
                account("of Ada", name="ada", posts=2, followers=1),
                posts=posts,
                followers=[[bob]],
                single={"7": 200, "8": 410, "9": 200},
                commands={"e": "applied", "p7": "applied", "d8": "applied"},
            ),
            "bob": seen(
                account(name="bob", following=1),
                following=[[ada]],
                feed=deepcopy(posts),
                edges={"ada": "yes", "cyd": "requested"},
            ),
            "cyd": seen(account(name="cyd", private=True), to_a_stranger=404),
        },
        "doubtful": {},
        "photos": {f"/media/{each}/64.webp?e=1": 200 for each in ("a1", "a2", "a3")},
        "objects": [
            f"{at}/{each}" for at in ("originals", "photos") for each in ("a1", "a2", "a3")
        ],
        "expected": ["graph-0"],
        "workers": {"graph-0": {"pending": 0.0, "lag": 0.0, "letters": 0.0}},
    }
