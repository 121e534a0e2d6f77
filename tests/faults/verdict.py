"""Whether what is seen is what was asked: every objection, in words.

Like the model it judges by, it knows nothing of the project.
"""

import math
from collections import Counter, defaultdict
from itertools import chain


def objections(model, sight):
    """Nothing, when every acknowledged command took effect once and nothing else appears."""
    judges = (profiles, posts_of_members, graph, feeds, photos, commands, objects, workers)
    said = [*model.broken, *chain.from_iterable(judge(model, sight) for judge in judges)]
    missing = [name for name, each in model.members.items() if each.token] - sight["members"].keys()
    return said + [f"{name} was not looked at" for name in missing]


def profiles(model, sight):
    for name, seen in sight["members"].items():
        member = model.members[name]
        shown = {field: seen["account"].get(field) for field in member.fields}
        wrong = {
            field: allowed
            for field, register in member.fields.items()
            if shown[field] not in (allowed := register.values_at())
        }
        for field, allowed in wrong.items():
            yield f"{name}'s {field} is {shown[field]!r}, it should be one of {allowed}"
        if not wrong and not member.may_show(shown):
            yield f"{name}'s profile is {shown}, which no order of the edits leaves"
        if seen["again"] != [201, model.members[name].account_id, True]:
            yield f"{name}'s sign-up, repeated with its key, is answered {seen['again']}"
    for name, status in sight["doubtful"].items():
        if status not in (200, 404):
            yield f"{name}, who may or may not be registered, is answered with {status}"


def posts_of_members(model, sight):
    for name, seen in sight["members"].items():
        member = model.members[name]
        if isinstance(seen["posts"], int):
            yield f"{name}'s own list of posts is answered with {seen['posts']}"
            continue
        posts = [*chain.from_iterable(seen["posts"])]
        yield from in_order(f"{name}'s posts", posts)
        by_caption = {each.caption: each for each in member.uploads}
        for post in posts:
            upload = by_caption.get(post["caption"])
            if upload is None or upload.post_id not in (None, post["id"]):
                yield f"{name} shows post {post['id']} {post['caption']!r}, which nobody sent"
            elif post["state"] != "published" or len(post["photos"]) != len(upload.photos):
                yield f"{name}'s post {post['id']} is {post['state']}, photos {len(post['photos'])}"
        twice = [each for each, n in Counter(post["caption"] for post in posts).items() if n > 1]
        yield from (f"{name} sent {each!r} once, and it is there twice" for each in twice)
        yield from lives_and_deaths(member, {post["id"] for post in posts}, seen["single"])
        if seen["account"]["counts"]["posts"] != len(posts):
            yield f"{name} has {len(posts)} posts, the counter says {seen['account']['counts']}"
        yield from dark_photos(sight["photos"], posts)


def in_order(whose, posts):
    places = [(post["published_at"], int(post["id"])) for post in posts]
    if places != sorted(places, reverse=True):
        yield f"{whose} are not newest first"
    if len(set(places)) < len(places):
        yield f"{whose} hold a post twice"


def lives_and_deaths(member, shown, single):
    """Of each acknowledged post: it is there, or it is gone, everywhere alike."""
    for upload in member.uploads:
        if upload.post_id is None:
            continue
        deletion = member.deletions.get(upload.post_id)
        allowed = {False} if deletion is None else deletion.values_at()
        is_gone = upload.post_id not in shown
        if is_gone not in allowed:
            said = "missing" if is_gone else "still there after its deletion"
            yield f"{member.username}'s post {upload.post_id} {upload.caption!r} is {said}"
        status = single[upload.post_id]
        if status != (410 if is_gone else 200):
            yield f"post {upload.post_id}, {'gone' if is_gone else 'listed'}, answers {status}"


def dark_photos(answers, posts):
    for post in posts:
        for photo in post["photos"]:
            if not photo["renditions"]:
                yield f"post {post['id']} has a photo without renditions"
            for each in photo["renditions"]:
                if answers[each["url"]] != 200:
                    yield f"a photo of post {post['id']} answers {answers[each['url']]}"


def graph(model, sight):
    members = sight["members"]
    for name, seen in members.items():
        for other, shown in seen["edges"].items():
            allowed = model.edge(name, other)
            if shown not in allowed:
                yield f"{name} follows {other}: {shown}, it should be one of {allowed}"
        wanted = {
            "following": {other for other, shown in seen["edges"].items() if shown == "yes"},
            "followers": {
                other for other, them in members.items() if them["edges"].get(name) == "yes"
            },
        }
        for side, names in wanted.items():
            yield from people(name, side, seen, names)
        # Whoever may look is one who never asked to follow; a private account shows them nothing.
        is_private, answer = seen["account"]["private"], seen["to_a_stranger"]
        if answer is not None and answer not in ((403, 404) if is_private else (200,)):
            state = "private" if is_private else "public"
            yield f"{name} is {state}, and a stranger's look is answered {answer}"


def people(name, side, seen, wanted):
    if isinstance(seen[side], int):
        yield f"{name}'s own list of {side} is answered with {seen[side]}"
        return
    listed = [account["username"] for account in chain.from_iterable(seen[side])]
    if len(listed) != len(set(listed)):
        yield f"{name}'s {side} hold somebody twice"
    if set(listed) != wanted:
        yield f"{name}'s {side} differ: {sorted(set(listed) ^ wanted)}"
    if seen["account"]["counts"][side] != len(wanted):
        yield f"{name} has {len(wanted)} {side}, the counter says {seen['account']['counts']}"


def feeds(model, sight):
    """Of each member: the posts of exactly those who are followed, newest first, none twice."""
    members = sight["members"]
    lists = {
        name: [] if isinstance(seen["posts"], int) else [*chain.from_iterable(seen["posts"])]
        for name, seen in members.items()
    }
    for name, seen in members.items():
        if isinstance(seen["feed"], int):
            yield f"{name}'s feed is answered with {seen['feed']}"
            continue
        feed = [*chain.from_iterable(seen["feed"])]
        yield from in_order(f"the posts in {name}'s feed", feed)
        wanted = {
            post["id"]: post["published_at"]
            for other, shown in seen["edges"].items()
            if shown == "yes"
            for post in lists[other]
        }
        shown = {post["id"]: post["published_at"] for post in feed}
        if lacking := wanted.keys() - shown.keys():
            yield f"{name}'s feed lacks {sorted(lacking)}"
        if added := shown.keys() - wanted.keys():
            yield f"{name}'s feed shows {sorted(added)}, which it should not"
        if any(wanted.get(each, when) != when for each, when in shown.items()):
            yield f"{name}'s feed has other times of publication than their authors' lists"


def photos(model, sight):
    """Same bytes, same name, and other bytes another, of every photo of every post, in order."""
    sent = {
        upload.caption: upload.photos
        for member in model.members.values()
        for upload in member.uploads
    }
    names, digests = defaultdict(set), defaultdict(set)
    for seen in sight["members"].values():
        lists = [each for each in (seen["posts"], seen["feed"]) if not isinstance(each, int)]
        for post in chain.from_iterable(chain.from_iterable(lists)):
            # More or fewer than were sent, and posts that nobody sent, are objected to elsewhere.
            for digest, photo in zip(sent.get(post["caption"], ()), post["photos"], strict=False):
                for each in photo["renditions"]:
                    name = each["url"].partition("?")[0].split("/")[-2]
                    names[digest].add(name)
                    digests[name].add(digest)
    for digest, several in names.items():
        if len(several) > 1:
            yield f"{digest} is shown as several photos: {sorted(several)}"
    for name, several in digests.items():
        if len(several) > 1:
            yield f"what was sent as {sorted(several)} is shown as one photo: {name}"


def commands(model, sight):
    for name, seen in sight["members"].items():
        for event, state in seen["commands"].items():
            if state != "applied":
                yield f"{name}'s command {event} was acknowledged, and is {state}"


def objects(model, sight):
    """Each photo of each post that was recorded is kept, and nothing of one that was not.

    Of posts that were deleted too: their bytes stay for a week.
    """
    kept = {
        folder: {key.split("/")[1] for key in sight["objects"] if key.startswith(f"{folder}/")}
        for folder in ("originals", "photos")
    }
    for folder, digests in kept.items():
        if ghosts := digests - model.digests:
            yield f"{folder} are kept that nobody sent: {sorted(ghosts)}"
    for name, seen in sight["members"].items():
        pages = [] if isinstance(seen["posts"], int) else seen["posts"]
        shown = {post["caption"] for post in chain.from_iterable(pages)}
        for upload in model.members[name].uploads:
            if upload.certain or upload.caption in shown:
                lost = set(upload.photos) - (kept["originals"] & kept["photos"])
                yield from (f"{each} of {upload.caption!r} is lost" for each in sorted(lost))
    staged = sum(key.startswith("staging/") for key in sight["objects"])
    if staged > model.staged_at_most:
        yield f"{staged} photos are staged, failed attempts left {model.staged_at_most} at most"


def workers(model, sight):
    if not sight["expected"]:
        yield "no worker was expected"
    for name in set(sight["expected"]) - sight["workers"].keys():
        yield f"after the drain {name} is not running"
    for name, seen in sight["workers"].items():
        for what, number in seen.items():
            if math.isnan(number):
                yield f"after the drain {name} publishes no {what}"
            elif number:
                yield f"after the drain {name} publishes {what} of {number:g}"
