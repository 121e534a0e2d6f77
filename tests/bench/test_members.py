from bench.members import make_members
from bench.reading import PAGE, draw, expected_of
from stores.feeds import CAP

COUNT = 400


def test_members_are_the_same_each_time_and_no_two_feeds_are_alike():
    """What is measured today can be measured again tomorrow, and is no page shown to everybody."""
    members = make_members(COUNT)
    feeds = {tuple(members.feed(rank, PAGE)) for rank in range(COUNT)}

    assert make_members(COUNT) == members
    assert len(feeds) == COUNT


def test_nobody_follows_themselves_or_anybody_twice():
    members = make_members(COUNT)

    for rank, followed in enumerate(members.followed):
        assert rank not in followed
        assert len(set(followed)) == len(followed)


def test_members_of_two_populations_share_no_id():
    """Both can move into one site."""
    one, other = make_members(COUNT), make_members(COUNT, seed=2, earlier=COUNT)
    ids, others = [
        {*each.ids, *(post_id for posts in each.posts for _, post_id in posts)}
        for each in (one, other)
    ]

    assert not ids & others


def test_every_fifth_request_is_for_a_deeper_page_and_none_leaves_the_window(settings):
    """Below a window's floor another engine would be measured."""
    members = make_members(COUNT)
    asked = draw(settings, members, range(COUNT), 5_000)
    deeper = [each for each in asked if each.page]

    assert 0.18 < len(deeper) / len(asked) < 0.22
    for each in deeper:
        assert each.page * PAGE + PAGE < min(CAP, len(members.feed(each.rank, CAP)))


def test_a_request_is_known_by_the_posts_that_it_must_show(settings):
    members = make_members(COUNT)
    asked = draw(settings, members, range(COUNT), 500)

    for each, (request, shown) in zip(asked[::5], expected_of(asked), strict=True):
        assert request == each.request
        feed = [post_id for _, post_id in members.feed(each.rank, CAP)]
        assert shown == feed[PAGE * each.page :][:PAGE]
