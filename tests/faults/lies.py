"""Everything false that a site might show after the small record: each lie changes one thing."""

import math

from tests.faults.truth import SOON, photo, post

LIES = {}


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
    members["ada"]["posts"].insert(1, [post("8", "two", SOON, "a3")])
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


@lie("'two' is lost")
def a_deleted_photo_that_is_gone_at_once(members, sight):
    sight["objects"].remove("photos/a3")


@lie("photos are kept that nobody sent")
def a_photo_of_a_refused_upload(members, sight):
    sight["objects"].append("photos/a4")


@lie("originals are kept that nobody sent")
def an_original_from_nowhere(members, sight):
    sight["objects"].append("originals/b0")


@lie("are staged")
def staging_that_is_not_swept(members, sight):
    sight["objects"] += ["staging/x", "staging/y"]  # a refused upload may have left one


@lie("a photo of post 7 answers 404")
def a_dark_photo(members, sight):
    sight["photos"][photo("a2")["renditions"][0]["url"]] = 404


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


@lie("which no order of the edits leaves")
def half_an_edit(members, sight):
    members["bob"]["account"]["bio"] = "of Bob"


@lie("graph-0 publishes no pending")
def a_worker_that_says_nothing(members, sight):
    sight["workers"]["graph-0"]["pending"] = math.nan


@lie("graph-0 is not running")
def a_worker_that_is_gone(members, sight):
    sight["workers"] = {}


@lie("no worker was expected")
def no_workers_at_all(members, sight):
    sight["workers"], sight["expected"] = {}, []


@lie("ada is public, and a stranger's look is answered 403")
def a_public_list_kept_from_a_stranger(members, sight):
    members["ada"]["to_a_stranger"] = 403


@lie("is shown as one photo")
def one_photo_for_all(members, sight):
    for pages in (members["ada"]["posts"], members["bob"]["feed"]):
        pages[1][0]["photos"] = [photo("a1"), photo("a1")]


@lie("is shown as several photos")
def photos_out_of_order(members, sight):
    for pages in (members["ada"]["posts"], members["bob"]["feed"]):
        pages[1][0]["photos"].reverse()


@lie("is shown as several photos")
def another_photo_in_a_feed_alone(members, sight):
    members["bob"]["feed"][0][0]["photos"] = [photo("a3")]
