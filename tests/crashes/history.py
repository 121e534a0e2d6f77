"""What a few people did: some of it long folded, the rest recorded and waiting for the workers.

Everybody's follower windows stand in other buckets of the cache, so that windows change one by one.
"""

from hashlib import sha256

from msgspec.structs import replace

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.graph import FollowRequested, Unfollowed
from events.posts import Place, PostDeleted, PostRerendered, PostSubmitted
from tests.workers.histories import rendered
from tests.workers.posts import jpeg, stage

SMALL = (96, 72)
FOLLOWERS = ("bob", "cyd", "dan")


class History:
    """Tells it through the log of a darkroom; `people` are the accounts' ids by name."""

    def __init__(self, darkroom):
        self.darkroom, self.log = darkroom, darkroom.log
        self.people = {}
        self.staged = {}
        """The bytes of every photo that waits to be rendered, by the key under which they wait."""
        self.taken_back = []
        """The bytes of all that Hal showed, who is erased in the end."""

    async def begin(self):
        """Six people; Eve is private, and Bob waits at her door."""
        for name in ("ada", "bob", "cyd", "dan", "eve", "hal"):
            await self.register(name)
        await self.does("eve", ProfileEdited(private=True))
        for follower, followee in (
            ("bob", "ada"),
            ("cyd", "ada"),
            ("dan", "ada"),
            ("bob", "cyd"),
            ("dan", "cyd"),
            ("bob", "dan"),
            ("cyd", "dan"),
            ("bob", "eve"),
            ("bob", "hal"),
            ("hal", "dan"),
        ):
            await self.wish(follower, followee)

    async def post_before(self):
        """Posts that stand in windows before anything crashes."""
        self.doomed = await self.post("ada", jpeg(size=SMALL))
        self.outdated = {}
        for name in ("dan", "eve"):
            photo = jpeg(size=SMALL)
            self.outdated[name] = await self.post(name, photo), photo
        self.taken_back = [jpeg(size=SMALL)]
        await self.post("hal", *self.taken_back, caption="Once")

    async def go_on(self):
        """At least one event for every handler of the map, most of them two."""
        self.staged.clear()
        for name in ("fay", "gus"):
            await self.register(name)
        await self.does("bob", ProfileEdited(display_name="Bobby"))
        await self.does("fay", ProfileEdited(bio="New here."))
        await self.does("bob", ProfileEdited(bio="Sun and moon."))
        await self.does("eve", ProfileEdited(private=False))
        await self.does("ada", PasswordChanged(password_hash="second"))
        await self.does("ada", PasswordChanged(password_hash="third"))
        await self.wish("fay", "ada")
        await self.wish("dan", "eve")
        for follower in ("cyd", "bob"):
            await self.does(follower, Unfollowed(followee_id=self.people["dan"]))
        words = {"caption": "Light", "alts": ("A hill",)}
        place = Place(latitude=52.5, longitude=13.4)
        await self.post("ada", jpeg(size=SMALL), place=place, **words)
        await self.post("cyd", jpeg(size=SMALL))
        regretted = await self.post("cyd", jpeg(size=SMALL))
        await self.post("ada", b"no photo")
        await self.post("bob", b"no photo either")
        for name, (post_id, photo) in self.outdated.items():
            renewed = replace(rendered(), sha256=sha256(photo).hexdigest(), renditions=())
            await self.does(name, PostRerendered(post_id=post_id, photos=(renewed,)))
        await self.does("ada", PostDeleted(post_id=self.doomed))
        await self.does("cyd", PostDeleted(post_id=regretted))
        await self.wish("cyd", "hal")
        await self.does("hal", ProfileEdited(bio="Soon gone."))
        self.taken_back.append(jpeg(size=SMALL))
        await self.post("hal", self.taken_back[-1])
        await self.does("hal", AccountErased())

    async def register(self, name):
        event = AccountRegistered(username=name, display_name=name.title(), password_hash="first")
        self.people[name] = (await self.log.register(event)).id

    async def does(self, name, event):
        return (await self.log.append(event, actor=self.people[name])).id

    async def wish(self, follower, followee):
        await self.does(follower, FollowRequested(followee_id=self.people[followee]))

    async def post(self, name, content, **words):
        photo = await stage(self.darkroom, content)
        self.staged[photo.key] = content
        return await self.does(name, PostSubmitted(photos=(photo,), **words))
