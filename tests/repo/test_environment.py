"""One list of packages: environment.yml, pyproject.toml and the lock (constraints.txt) hold together."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = [Requirement(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line]

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}


def requirements() -> list[Requirement]:
    """Everything that pyproject.toml asks for, but the references from one of its extras to another."""
    lines = PROJECT["dependencies"] + list(itertools.chain.from_iterable(EXTRAS.values()))
    return [r for r in map(Requirement, lines) if r.name != PROJECT["name"]]


def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def conda_packages() -> tuple[list[str], list[str]]:
    """(conda's own packages, pip's lines)"""
    dependencies = conda()["dependencies"]
    (pip,) = [d["pip"] for d in dependencies if isinstance(d, dict)]
    return [d for d in dependencies if isinstance(d, str)], pip


def test_conda_takes_python_and_pip_and_leaves_the_rest_to_pip():
    packages, pip = conda_packages()
    assert conda()["name"] == "vitedu"
    assert conda()["channels"] == ["conda-forge"]
    assert [p.split("=")[0] for p in packages] == ["python", "pip"]
    assert pip == ["-c constraints.txt", "-e .[test]"]


def test_conda_and_pyproject_agree_on_python():
    admitted = SpecifierSet(PROJECT["requires-python"])
    name, _, version = conda_packages()[0][0].partition("=")
    assert name == "python"
    assert version in PYTHONS
    assert version in admitted
    assert PYTHONS[0] in admitted
    assert "3.9" not in admitted


def extras_in(extra: str) -> set[str]:
    """An extra, and those that it refers to."""
    reached, todo = set(), [extra]
    while todo:
        extra = todo.pop()
        reached.add(extra)
        for requirement in map(Requirement, EXTRAS[extra]):
            if requirement.name == PROJECT["name"]:
                todo += [e for e in requirement.extras if e not in reached]
    return reached


def packages_of(extra: str) -> list[Requirement]:
    """What an extra asks for, by way of others too."""
    lines = itertools.chain.from_iterable(EXTRAS[e] for e in extras_in(extra))
    return [r for r in map(Requirement, lines) if r.name != PROJECT["name"]]


def test_the_test_extra_contains_every_extra():
    """So `.[test]`, which `make test` and environment.yml install, is all there is, but for peers and graders."""
    assert extras_in("test") == set(EXTRAS) - {"benchmarks", "course"}


def test_readers_get_less_than_testers():
    """What no notebook imports is not in the extra that `make lab` installs."""
    names = {requirement.name for requirement in packages_of("notebooks")}
    assert {"jupyterlab", "matplotlib", "scikit-learn", "torch"} <= names
    assert not names & {"datasets", "playwright", "pyarrow", "pytest", "ruff", "scipy", "transformers"}


def test_the_lock_names_one_final_release_per_line():
    for pin in LOCK:
        (specifier,) = pin.specifier
        assert specifier.operator == "==", f"{pin} does not name one version"
        assert not Version(specifier.version).is_prerelease, f"{pin} is no final release"
        assert not pin.url, f"{pin} is a link"
        assert canonicalize_name(pin.name) == pin.name, f"{pin.name} is not written in its normal form"


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_locked_inside_its_range(python, platform):
    environment = default_environment() | PLATFORMS[platform]
    environment |= {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}
    environment |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    for wanted in requirements():
        if wanted.marker is not None and not wanted.marker.evaluate(environment):
            continue
        same_name = [pin for pin in LOCK if pin.name == canonicalize_name(wanted.name)]
        pins = [pin for pin in same_name if pin.marker is None or pin.marker.evaluate(environment)]
        assert len(pins) == 1, f"{wanted}: the lock has {len(pins)} versions for Python {python} on {platform}"
        (version,) = [s.version for s in pins[0].specifier]
        assert wanted.specifier.contains(version, prereleases=False), f"{pins[0]} is outside of `{wanted}`"


def test_the_lock_has_the_pytorch_release_that_was_tested():
    (pin,) = [pin for pin in LOCK if pin.name == "torch"]
    (version,) = [s.version for s in pin.specifier]
    assert version.split(".")[:2] == ["2", "13"]
    (wanted,) = [r for r in requirements() if r.name == "torch"]
    assert not wanted.specifier.contains("2.14.0"), "an untested PyTorch is admitted"


def test_numpy_alone_is_enough_for_the_core():
    assert [Requirement(line).name for line in PROJECT["dependencies"]] == ["numpy"]
