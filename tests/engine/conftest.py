"""What the tests of the engine share."""

from __future__ import annotations

import pytest
from small_runs import SMALL, run


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """The small run on one process, from start to end: what every other way of running it must give."""
    out = tmp_path_factory.mktemp("reference") / "run"
    run(SMALL, out)
    return out
