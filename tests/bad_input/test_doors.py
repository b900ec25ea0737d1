"""Every public function of both packages, called wrongly in every way that its arguments allow.

The calls are made up in tests/doors.py; `python tests/doors.py -v` prints the worst of them.
"""

from __future__ import annotations

from collections import Counter

import doors
import pytest


@pytest.fixture(scope="module")
def results():
    """Of every spoilt call."""
    found, _ = doors.doors()
    broken = {door.where: said for door in found if (said := doors.works(door))}
    assert not broken, "good calls that fail"
    return doors.try_all(found)


def test_the_audit_sees_both_packages(results):
    """Five thousand calls, of three hundred doors, in every room that computes."""
    assert len(results) > 5000
    assert len({r.door for r in results}) > 280
    rooms = {".".join(r.door.split(".")[:2]) for r in results}
    assert {
        f"{p}.{room}" for p in ("vitedu", "vitedu_numpy") for room in ("layers", "models", "training", "transfer")
    } <= rooms


def test_errors_name_the_argument(results):
    """At least 97 of 100, and 95 of 100 in every room; Python's own words count as unnamed."""
    by_room = {}
    for r in results:
        by_room.setdefault(".".join(r.door.split(".")[:2]), Counter())[r.verdict == "good"] += 1
    assert sum(n[True] for n in by_room.values()) >= 0.97 * len(results)
    assert {room: n for room, n in by_room.items() if n[True] < 0.95 * sum(n.values()) and sum(n.values()) >= 20} == {}


def test_nothing_wrong_is_accepted(results):
    assert [r for r in results if r.verdict == "accepted"] == []


def test_a_door_that_says_nothing_would_be_noticed():
    """The judge: a raw error, one that is silent, and one that names the argument."""

    def silent(width):
        return width

    def raw(width):
        return [0] * width

    def named(width):
        raise ValueError(f"width={width!r} is not allowed; width must be a positive integer")

    for function, verdict in ((silent, "accepted"), (raw, "raw"), (named, "good")):
        door = doors.Door("vitedu", "x", "y", function, {"width": 1}, {"width": ("count", ())})
        assert doors.judge(door, "width", "text", "3" if function is not raw else None).verdict == verdict
