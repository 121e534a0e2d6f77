"""A small record, what a site must show after it, and everything false that one might show."""

from copy import deepcopy

SOON, LATER = "2026-05-01T12:00:00.000Z", "2026-05-01T12:00:01.000Z"
LIES = {}


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
    """Bob follows Ada, who posted twice and took one back, and asked Cyd, who is private."""
    clients = Clients()
    for who in ("ada", "bob", "cyd"):
        clients.register(who)
    clients.edit("cyd", private=True)
    clients.edit("ada", bio="of Ada")
    clients.say("bob", "follow", {"event": "f1"}, other="ada")
    clients.say("bob", "follow", {"event": "f2"}, other="cyd")
    clients.say("ada", "upload", {"id": "7", "event": "p7"}, caption="one", photos=["a1", "a2"])
    clients.say("ada", "upload", {"id": "8", "event": "p8"}, caption="two", photos=["a3"])
    clients.say("ada", "upload", {"id": "9", "event": "p9"}, caption="three", photos=["a1"])
    clients.say("ada", "delete", {"event": "d8"}, post="8")
    return clients


def post(number, caption, when, *photos):
    shown = [{"renditions": [{"url": f"/media/{each}"}]} for each in photos]
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
        "photos": {"/media/a1": 200, "/media/a2": 200},
        "objects": [
            f"{at}/{each}" for at in ("originals", "photos") for each in ("a1", "a2", "a3")
        ],
        "workers": {"graph-0": {"pending": 0.0, "lag": 0.0, "letters": 0.0}},
    }


def lie(objection):
    """Register a doctored result, and the words the checker must find for it."""

    def register(doctor):
        LIES[doctor.__name__] = (doctor, objection)
        return doctor

    return register


@lie("post 7 'one' is missing")
def a_lost_post(members, sight):
    for pages in (members["ada"]["posts"], members["bob"]["feed"]):
        pages[1:] = []
    members["ada"]["account"]["counts"]["posts"] = 1
    members["ada"]["single"]["7"] = 410


@lie("it is there twice")
def a_doubled_post(members, sight):
    members["ada"]["posts"].append([post("6", "one", SOON, "a1", "a2")])


@lie("which nobody sent")
def a_ghost(members, sight):
    members["ada"]["posts"].append([post("5", "boo", SOON, "a1")])


@lie("hold a post twice")
def a_post_on_two_pages(members, sight):
    members["ada"]["posts"].append([post("7", "one", SOON, "a1", "a2")])


@lie("are not newest first")
def a_feed_out_of_order(members, sight):
    members["bob"]["feed"] = members["bob"]["feed"][::-1]


@lie("has 2 posts, the counter says")
def a_wrong_counter_of_posts(members, sight):
    members["ada"]["account"]["counts"]["posts"] = 3


@lie("has 1 followers, the counter says")
def a_wrong_counter_of_followers(members, sight):
    members["ada"]["account"]["counts"]["followers"] = 2


@lie("bob's feed lacks ['7']")
def a_hole_in_a_feed(members, sight):
    del members["bob"]["feed"][1]


@lie("cyd's feed shows ['7', '9']")
def a_feed_of_somebody_not_followed(members, sight):
    members["cyd"]["feed"] = members["bob"]["feed"]


@lie("still there after its deletion")
def a_post_that_outlives_its_deletion(members, sight):
    members["ada"]["posts"].insert(1, [post("8", "two", SOON, "a2")])
    members["ada"]["single"]["8"] = 200


@lie("post 8, gone, answers 200")
def a_deleted_post_that_still_answers(members, sight):
    members["ada"]["single"]["8"] = 200


@lie("cyd's private is False")
def an_old_privacy(members, sight):
    members["cyd"]["account"]["private"] = False


@lie("a stranger's look is answered 200")
def a_private_list_shown_to_a_stranger(members, sight):
    members["cyd"]["to_a_stranger"] = 200


@lie("bob follows cyd: yes")
def a_follow_that_was_never_accepted(members, sight):
    members["bob"]["edges"]["cyd"] = "yes"


@lie("bob follows ada: no")
def a_lost_follow(members, sight):
    members["bob"]["edges"]["ada"] = "no"


@lie("ada's followers differ")
def a_follower_from_nowhere(members, sight):
    members["ada"]["followers"].append([{"username": "cyd"}])


@lie("ada's bio is ''")
def a_lost_edit(members, sight):
    members["ada"]["account"]["bio"] = ""


@lie("'one' is lost")
def a_missing_original(members, sight):
    sight["objects"].remove("originals/a2")


@lie("originals are kept that nobody sent")
def an_original_from_nowhere(members, sight):
    sight["objects"].append("originals/b0")


@lie("are staged")
def staging_that_is_not_swept(members, sight):
    sight["objects"].append("staging/x")


@lie("a photo of post 7 answers 404")
def a_dark_photo(members, sight):
    sight["photos"]["/media/a2"] = 404


@lie("was acknowledged, and is accepted")
def a_command_that_waits_for_ever(members, sight):
    members["ada"]["commands"]["p7"] = "accepted"


@lie("publishes pending of 1")
def work_that_is_left(members, sight):
    sight["workers"]["graph-0"]["pending"] = 1.0


@lie("publishes letters of 2")
def dead_letters(members, sight):
    sight["workers"]["graph-0"]["letters"] = 2.0


@lie("cyd was not looked at")
def a_member_nobody_looked_at(members, sight):
    del members["cyd"]


@lie("repeated with its key, is answered")
def a_second_account_by_the_same_key(members, sight):
    members["bob"]["again"] = [201, "other", False]
