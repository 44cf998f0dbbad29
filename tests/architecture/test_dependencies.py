"""docs/dependencies.md names every direct dependency with the locked version and a reason."""

import re
import tomllib

import pytest

from tests.architecture.documents import ROOT, rows

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs/dependencies.md").read_text()
# Imported, or started as a program.
USED = r"^\s*(?:import|from) {0}\b|\"-m\", \"{0}\""
SECTIONS = {
    "The service": PROJECT["dependencies"],
    "The embedded appliance": PROJECT["optional-dependencies"]["embedded"],
    "The controller": PROJECT["optional-dependencies"]["controller"],
    "The mock UPI app": PROJECT["optional-dependencies"]["scan"],
    "Development": PROJECT["optional-dependencies"]["dev"],
}
LOCKS = ("requirements.lock", "requirements-controller.lock", "requirements-dev.lock")


def name_of(requirement: str) -> str:
    """Return the name with its extras and without the version."""
    return re.split(r"[<>=!~ ;]", requirement)[0]


def module_of(requirement: str) -> str:
    """Return what is imported of a distribution."""
    name = requirement.partition("[")[0]
    return {"python-pkcs11": "pkcs11"}.get(name, name.replace("-", "_"))


def locked_in(lock: str) -> dict[str, str]:
    """Return name -> version of a lock file."""
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_lists_exactly_the_direct_dependencies(section):
    listed = [row[0] for row in rows(PAGE, section)]
    assert sorted(listed) == sorted(name_of(requirement) for requirement in SECTIONS[section])


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_shows_the_locked_version_and_a_reason(section):
    versions = {name: version for lock in LOCKS for name, version in locked_in(lock).items()}
    for name, version, month, why, beside_gevent in rows(PAGE, section):
        assert version == versions[name.partition("[")[0]], name
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month), name
        assert len(why) > len("fast"), name
        assert beside_gevent, name


def test_every_dependency_of_the_service_is_used():
    code = "\n".join(
        path.read_text()
        for room in ("rizzpay", "appliance")
        for path in (ROOT / room).rglob("*.py")
    )
    unused = [
        name
        for name in (name_of(requirement) for requirement in PROJECT["dependencies"])
        if not re.search(USED.format(module_of(name)), code, re.MULTILINE)
    ]
    assert unused == []


@pytest.mark.parametrize("lock", LOCKS)
def test_what_runs_in_production_is_locked_alike_in_every_lock(lock):
    everything = locked_in("requirements-dev.lock")
    shared = {name: version for name, version in locked_in(lock).items() if name in everything}
    assert {"cryptography", "psycopg", "gunicorn"} <= shared.keys()
    assert shared == {name: everything[name] for name in shared}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_no_address(name):
    text = (ROOT / name).read_text()
    pinned = re.findall(r"^\S+==.*\n(.*)$", text, re.MULTILINE)
    assert pinned
    assert all(line.strip().startswith("--hash=sha256:") for line in pinned)
    assert not re.search(r"https?://|file:|--index-url|--find-links", text)


@pytest.mark.parametrize("lock", ["requirements-appliance.lock", *LOCKS])
def test_every_lock_holds_what_the_service_needs_at_one_version(lock):
    """A server is installed from its lock alone; what is missing there stops the installation."""
    locked, servers = locked_in(lock), locked_in("requirements.lock")
    names = [name_of(requirement).partition("[")[0] for requirement in PROJECT["dependencies"]]
    assert {name: locked.get(name) for name in names} == {name: servers[name] for name in names}
