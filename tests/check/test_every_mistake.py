"""Each mistake that is written down for an exercise is called by its name.

The same mistakes in other words stand in the file of each topic, and those of many students in students/.
"""

from __future__ import annotations

import pytest

from vitedu.check import CHECKS


@pytest.mark.usefixtures("no_long_search")
@pytest.mark.parametrize(
    ("check", "mistake"), [pytest.param(c, m, id=f"{c.name}: {m.name}") for c in CHECKS.values() for m in c.mistakes]
)
def test_it_is_named(check, mistake):
    """Where two mistakes have the same numbers, both names stand there: `either ..., or ...`."""
    verdict = check.verdict(mistake.answer)
    assert not verdict.ok
    assert mistake.name in verdict.mistake
    assert "; and " not in verdict.mistake  # not as two mistakes
    assert mistake.hint in verdict.message
    assert len(verdict.rungs) >= 3
