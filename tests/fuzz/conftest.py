"""How long a fuzzer looks: `VITEDU_FUZZ=5000 python -m pytest tests/fuzz` tries so many inputs of every kind.

Without it a few, always the same, so that the suite stays quick and gives the same answer every time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

LONG = int(os.environ.get("VITEDU_FUZZ", "0"))
settings.register_profile(
    "readers",
    max_examples=LONG or 30,
    derandomize=not LONG,
    database=None,
    deadline=60_000,  # milliseconds: nothing hangs; cores may be shared with other tests
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
settings.load_profile("readers")


@pytest.fixture(autouse=True)
def own_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("VITEDU_CACHE", str(tmp_path / "cache"))
