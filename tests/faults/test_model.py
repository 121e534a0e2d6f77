"""The checker against results made up by hand: truth passes, and every lie is objected to."""

import ast
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from tests.faults.lies import LIES
from tests.faults.model import STRAY_SECONDS, Model
from tests.faults.sight import GAUGES, gauges
from tests.faults.truth import LATER, SOON, post, true_record, true_sight
from tests.faults.verdict import objections

HERE = Path(__file__).parent
CHECKER = ("model", "sight", "verdict")


@pytest.fixture
def clients():
    return true_record()


@pytest.fixture
def sight():
    return true_sight()


def verdict(clients, sight):
    return objections(Model(clients.lines), sight)


def test_the_truth_passes(clients, sight):
    assert verdict(clients, sight) == []


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_objected_to(clients, sight, name):
    """Each is one change of the truth that a broken site could show."""
    doctor, objection = LIES[name]
    doctored = deepcopy(sight)
    doctor(doctored["members"], doctored)

    assert any(objection in each for each in verdict(clients, doctored)), verdict(clients, doctored)


@pytest.mark.parametrize("bio", ["of Ada", "new"])
def test_what_nobody_was_told_may_be_either_but_nothing_else(clients, sight, bio):
    clients.edit("ada", outcome="unknown", strays=1, bio="new")
    sight["members"]["ada"]["account"]["bio"] = bio
    assert verdict(clients, sight) == []

    sight["members"]["ada"]["account"]["bio"] = "old"
    assert len(verdict(clients, sight)) == 1


def test_a_request_left_on_its_way_may_act_after_the_next_but_not_for_ever(clients, sight):
    """Its client gave up on one attempt; another was answered; then came another edit."""
    clients.edit("ada", strays=1, bio="first")
    clients.edit("ada", bio="second")
    clients.lines[-1]["began"] = clients.lines[-2]["ended"] + 1
    sight["members"]["ada"]["account"]["bio"] = "first"
    assert verdict(clients, sight) == []

    clients.lines[-1]["began"] += STRAY_SECONDS
    assert len(verdict(clients, sight)) == 1


@pytest.mark.parametrize(
    ("shown", "is_allowed"),
    [
        ({"bio": "", "display_name": "bob"}, True),
        ({"bio": "of Bob", "display_name": "Bobby"}, True),
        ({"bio": "", "display_name": "Bobby"}, False),
        ({"bio": "late", "display_name": "Bobby"}, False),
    ],
)
def test_an_edit_nobody_was_told_of_acts_as_a_whole(clients, sight, shown, is_allowed):
    sight["members"]["bob"]["account"] |= shown

    assert (verdict(clients, sight) == []) is is_allowed


@pytest.mark.parametrize(("bio", "is_allowed"), [("late", True), ("of Bob", True), ("", False)])
def test_a_later_edit_covers_only_the_fields_it_names(clients, sight, bio, is_allowed):
    """It came while the unknown one was still on its way: either may have been the last."""
    clients.edit("bob", bio="late")
    unknown = next(each for each in clients.lines if each["outcome"] == "unknown")
    clients.lines[-1]["began"] = unknown["ended"] + 1
    sight["members"]["bob"]["account"] |= {"bio": bio, "display_name": "Bobby"}
    assert (verdict(clients, sight) == []) is is_allowed

    sight["members"]["bob"]["account"]["display_name"] = "bob"
    assert (verdict(clients, sight) == []) is (bio == "late")


def test_an_answered_edit_is_whole_though_an_older_one_may_still_come(clients, sight):
    """The older names one field of two; whatever came last, the other field stays."""
    clients.edit("ada", outcome="unknown", strays=1, bio="old")
    clients.edit("ada", bio="new", display_name="Ada")
    clients.lines[-1]["began"] = clients.lines[-2]["ended"] + 1
    account = sight["members"]["ada"]["account"]
    for bio in ("new", "old"):
        account |= {"bio": bio, "display_name": "Ada"}
        assert verdict(clients, sight) == []
        account["display_name"] = "ada"
        assert len(verdict(clients, sight)) == 1


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (200, "".join(f'{each}{{role="a"}} 0.0\n' for each in GAUGES.values()), 0),
        (200, "", len(GAUGES)),
        (404, "".join(f'{each}{{role="a"}} 0.0\n' for each in GAUGES.values()), len(GAUGES)),
    ],
)
async def test_a_worker_that_publishes_nothing_is_no_evidence(clients, sight, status, text, said):
    class Looker:
        async def get(self, _):
            return status, text

    sight["workers"] = await gauges(Looker(), {"graph-0": "there"})

    assert len(verdict(clients, sight)) == said


def test_an_upload_nobody_was_told_of_is_there_once_or_not(clients, sight):
    assert verdict(clients, sight) == []
    clients.say("cyd", "upload", outcome="unknown", strays=2, caption="maybe", photos=["a3"])
    assert verdict(clients, sight) == []

    cyd = sight["members"]["cyd"]
    cyd["posts"], cyd["account"]["counts"]["posts"] = [[post("5", "maybe", SOON, "a3")]], 1
    assert verdict(clients, sight) == []

    cyd["posts"] = [[post("6", "maybe", LATER, "a3"), post("5", "maybe", SOON, "a3")]]
    assert any("twice" in each for each in verdict(clients, sight))


def test_going_public_accepts_whoever_waits(clients, sight):
    """It is no longer enough to be asked."""
    clients.edit("cyd", private=False)
    sight["members"]["cyd"]["account"]["private"] = False
    sight["members"]["cyd"]["to_a_stranger"] = 200

    assert verdict(clients, sight) == ["bob follows cyd: requested, it should be one of {'yes'}"]


def test_who_left_and_asks_again_is_asked_again(clients, sight):
    """An acceptance of the first wish opens no door to the second."""
    clients.edit("cyd", private=False)
    clients.edit("cyd", private=True)
    assert Model(clients.lines).edge("bob", "cyd") == {"yes", "requested"}
    clients.say("bob", "unfollow", {"event": "f3"}, other="cyd")
    assert Model(clients.lines).edge("bob", "cyd") == {"no"}
    clients.say("bob", "follow", {"event": "f4"}, other="cyd")

    assert Model(clients.lines).edge("bob", "cyd") == {"requested"}


def test_a_right_command_that_is_refused_and_an_internal_error_are_told(clients, sight):
    clients.say("ada", "sign_in", outcome="refused", status=401)
    clients.say("ada", "sign_in", {"token": "t"}, status=201, faults=1)

    told = verdict(clients, sight)

    assert "was refused with 401" in told[0]
    assert "internal errors" in told[1]


@pytest.mark.parametrize("name", CHECKER)
def test_the_checker_knows_nothing_of_the_project(name):
    """It imports the standard library, an HTTP client, an S3 client, and itself."""
    allowed = sys.stdlib_module_names | {"aiohttp", "aiobotocore"}
    tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {each.name.partition(".")[0] for each in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            own = node.module in {f"tests.faults.{each}" for each in CHECKER}
            assert own or node.module.partition(".")[0] in allowed, node.module
