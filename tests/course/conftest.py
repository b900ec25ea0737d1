"""How strong the walls are here; and no trace in the home of whoever runs these tests."""

from __future__ import annotations

import pytest

from vitedu.course.process import strongest


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    monkeypatch.setenv("VITEDU_PROGRESS", "off")


@pytest.fixture(scope="session")
def level():
    """The strongest walls that this system has; without any, students' programs are not run."""
    try:
        return strongest()
    except OSError as error:
        pytest.skip(str(error))
