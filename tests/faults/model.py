"""What the site must show, read from its clients' own record and from nothing else.

Every command is a window of time in which it may have acted. Where that leaves several outcomes
open, all of them are allowed; where it leaves one, that one is demanded.
"""

import json
import math
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import NamedTuple

STRAY_SECONDS = 30
"""How long a request nobody waits for any more may be on its way: longer than any fault here."""
NOTHING = object()
"""What an edit writes to a field it does not name: equal to no value."""


class Command(NamedTuple):
    """One line of the record; `value` is what it wrote: in a register, or of an edit all fields."""

    value: object
    began: float
    ended: float
    certain: bool
    may_act: bool
    strays: bool

    @classmethod
    def of(cls, line, value):
        ok, strays = line["outcome"] == "ok", line["strays"] > 0
        return cls(value, line["began"], line["ended"], ok, ok or strays, strays)

    @property
    def last_moment(self):
        return self.ended + STRAY_SECONDS if self.strays or not self.certain else self.ended


class Register:
    """One value that one member alone writes, in sequence."""

    def __init__(self, initial):
        self.initial, self.commands = initial, []

    def write(self, line, value):
        self.commands.append(Command.of(line, value))

    def values_at(self, moment=math.inf):
        """Every value that may hold then."""
        begun = [each for each in self.commands if each.began <= moment and each.may_act]
        settled = [each for each in begun if each.certain and each.ended <= moment]
        if not settled:
            return {self.initial, *(each.value for each in begun)}
        last = settled[-1]
        return {last.value, *(each.value for each in begun if each.last_moment > last.began)}

    def values_since(self, moment):
        """Every value that may have held at some time from then on."""
        later = {each.value for each in self.commands if each.may_act and each.ended >= moment}
        return self.values_at(moment) | later


class Upload(NamedTuple):
    """A post that was asked for. `post_id` is None where no answer told it."""

    caption: str
    photos: list
    post_id: str | None
    certain: bool


class Member:
    """One account as its own commands made it."""

    def __init__(self, line):
        self.username = line["who"]
        self.certain = line["outcome"] == "ok"
        self.token = line["body"].get("token")
        self.key, self.command = line["key"], line["about"]["command"]
        account = line["body"].get("account", {})
        self.account_id = account.get("id")
        self.fields = {
            name: Register(account.get(name)) for name in ("display_name", "bio", "private")
        }
        self.edits = []
        self.uploads, self.deletions, self.wishes = [], {}, {}
        self.events = []

    def may_show(self, shown):
        """Whether the edits can have acted in an order that leaves all these values together.

        What each register allows by itself is not enough: an edit acts as a whole.
        """
        edits = [each for each in self.edits if each.may_act]
        makers = [
            [n for n, each in enumerate(edits) if shown[name] == each.value.get(name, NOTHING)]
            + [None] * (shown[name] == register.initial)
            for name, register in self.fields.items()
        ]
        return any(
            can_end_so(edits, dict(zip(self.fields, chosen, strict=True)))
            for chosen in product(*makers)
        )


class Model:
    """The whole record, read once."""

    def __init__(self, lines):
        self.members = {}
        self.broken = []
        self.staged_at_most = 0
        self.digests = set()
        for line in lines:
            self.read(line)

    def read(self, line):
        if line["does"] == "register":
            self.members[line["who"]] = Member(line)
        member = self.members[line["who"]]
        self.note_what_is_wrong_by_itself(line)
        if line["outcome"] == "ok" and "event" in line["body"]:
            member.events.append(line["body"]["event"])
        about = line["about"]
        match line["does"]:
            case "sign_in" if line["outcome"] == "ok":
                member.token = line["body"]["token"]
            case "edit":
                member.edits.append(Command.of(line, about["fields"]))
                for name, value in about["fields"].items():
                    member.fields[name].write(line, value)
            case "follow" | "unfollow":
                wish = member.wishes.setdefault(about["other"], Register(initial=False))
                wish.write(line, line["does"] == "follow")
            case "delete":
                member.deletions.setdefault(about["post"], Register(initial=False)).write(
                    line, True
                )
            case "upload":
                self.read_upload(member, line)

    def read_upload(self, member, line):
        about, ok = line["about"], line["outcome"] == "ok"
        # What failed attempts left there is swept by age; what was answered is swept after use.
        self.staged_at_most += (line["attempts"] - ok) * len(about["photos"])
        if ok or line["strays"]:
            self.digests.update(about["photos"])
            post_id = line["body"]["id"] if ok else None
            member.uploads.append(Upload(about["caption"], about["photos"], post_id, ok))

    def note_what_is_wrong_by_itself(self, line):
        """Every command of the load is right, so a refusal in words is the site's mistake."""
        what = f"{line['who']}'s {line['does']} {line['about']}"
        if line["outcome"] == "refused" and 400 <= line["status"] < 500 and line["status"] != 429:
            self.broken.append(f"{what} was refused with {line['status']}: {line['body']}")
        if line["faults"]:
            self.broken.append(f"{what} met {line['faults']} internal errors")

    def edge(self, follower, followee):
        """Every answer to "does this member follow that one" that is allowed in the end."""
        wish = self.members[follower].wishes[followee]
        ends, allowed = wish.values_at(), set()
        if False in ends:
            allowed.add("no")
        if True in ends:
            private = self.members[followee].fields["private"]
            if False in private.values_since(self.first_standing(wish)):
                allowed.add("yes")
            # Whoever is public in the end has accepted all that waited.
            if True in private.values_at():
                allowed.add("requested")
        return allowed

    def left_open(self):
        """How many values have several allowed outcomes, of how many: what was not checked."""
        registers = [
            register
            for member in self.members.values()
            for group in (member.fields, member.wishes, member.deletions)
            for register in group.values()
        ]
        return sum(len(each.values_at()) > 1 for each in registers), len(registers)

    @staticmethod
    def first_standing(wish):
        """When the first follow began that the last withdrawal for certain did not end."""
        ends = [each.began for each in wish.commands if each.certain and not each.value]
        last_end = max(ends, default=-math.inf)
        standing = [
            each.began
            for each in wish.commands
            if each.value and each.may_act and each.last_moment > last_end
        ]
        return min(standing)


def can_end_so(edits, last):
    """`last`: field → the number of the edit that wrote it last, None where none may have."""
    chosen = {each for each in last.values() if each is not None}
    acted = [n for n, each in enumerate(edits) if each.certain or n in chosen]
    before = {
        n: {m for m in acted if m != n and edits[m].last_moment <= edits[n].began} for n in acted
    }
    for name, final in last.items():
        others = {n for n in acted if name in edits[n].value and n != final}
        if final is not None:
            before[final] |= others
        elif others:
            return False
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return False
    return True


def read_record(path):
    with path.open(encoding="utf-8") as file:
        return Model(json.loads(line) for line in file)
