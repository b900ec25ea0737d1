"""docs/attacks.md says what is said of every attack, word for word; `python tests/attacks.py --write` writes it."""

from __future__ import annotations

import os
import re

import attacks
import pytest

ALL = "VITEDU_ATTACKS" in os.environ  # the large ones, too
TEXT = attacks.PAGE.read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (.+?) \| (`.+`) \| [\d.]+ \| \d+ \|$", TEXT, flags=re.MULTILINE))


def test_the_page_has_every_attack():
    assert list(ROWS) == list(attacks.ATTACKS)
    reliability = (attacks.PAGE.parent / "reliability.md").read_text(encoding="utf-8")
    assert f"plays {len(ROWS)} of these files" in reliability
    assert len(attacks.LARGE) == 6  # as the page says


@pytest.mark.parametrize("name", [name for name in attacks.ATTACKS if name not in attacks.LARGE or ALL])
def test_it_says_what_is_said(name, tmp_path, capsys):
    """Nothing is accepted in silence, and no program runs (`play` looks)."""
    said = attacks.play(name, tmp_path)
    assert said != "ACCEPTED"
    assert attacks.cell(said) == ROWS[name]


def test_an_attack_that_works_would_be_noticed(tmp_path, monkeypatch):
    """The same pickle, read by who should not read it."""
    import pickle

    def attack(folder):
        (folder / "x").write_bytes(pickle.dumps(attacks.Runs(folder / "ran")))
        yield
        pickle.loads((folder / "x").read_bytes())

    monkeypatch.setitem(attacks.ATTACKS, "x", attack)
    with pytest.raises(AssertionError, match="x: a command was run"):
        attacks.play("x", tmp_path)
