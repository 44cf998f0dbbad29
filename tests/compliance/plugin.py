"""The pytest plugin that joins controls with their tests, runs them and keeps the evidence.

Loaded by `rizzpay compliance run` and by nobody else. A test is marked with the id of the control
that it tries, and asks for `host` (testinfra over the inventory's ssh) and, where it has to know
about the other machines, for `site`. It is run once for every host that the control is about.

Collection fails when a test has no control or one that the catalogue does not know, when two tests
share a control, and when a control has no test. What happens is written to a file as it happens:
a line of JSON for the start, each host, each check, and the end.
"""

import hashlib
import importlib.metadata
import signal
import tempfile
from pathlib import Path

import msgspec
import pytest
import testinfra

from rizzpay.compliance import reading, redaction
from rizzpay.compliance.collecting import Finished, Started
from rizzpay.compliance.model import NO_HOST, Check, Evidence, Host, Status, concerns
from rizzpay.core import clock
from tests.compliance.site import Site

CATALOGUE = Path(__file__).parent / "catalogue"
TOOLS = ("ansible-core", "pytest", "pytest-testinfra", "rizzpay")
EVIDENCE_MAX = 60  # commands of one check
COMMAND_S = 600  # the slowest reads every file of every package
MARK = "control"


class NotApplicable(pytest.skip.Exception):
    """The control says nothing about this host; the text says why."""


def not_applicable(reason: str) -> None:
    """End the control: what it demands cannot be the case here, for this reason."""
    raise NotApplicable(reason)


class Recorder:
    """Keeps what a host was asked and what it answered, while a control is tried."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.evidence: list[Evidence] = []

    def listen(self, host: testinfra.host.Host) -> testinfra.host.Host:
        """Hear every command of a host from now on."""
        run = host.backend.run

        def recorded(command, *arguments, **options):
            signal.alarm(COMMAND_S)
            try:
                answer = run(command, *arguments, **options)
            finally:
                signal.alarm(0)
            printed = answer.stdout_bytes + answer.stderr_bytes
            if len(self.evidence) < EVIDENCE_MAX:
                self.evidence.append(
                    Evidence(
                        redaction.hidden(host.backend.quote(command, *arguments)),
                        answer.exit_status,
                        hashlib.sha256(printed).hexdigest(),
                        redaction.excerpt(printed),
                    )
                )
            return answer

        host.backend.run = recorded
        return host


class Run:
    """One run over a site."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the catalogue, and the inventory when one is given."""
        self.catalogue = reading.catalogue(CATALOGUE)
        self.only = tuple(filter(None, config.getoption("--controls").split(",")))
        inventory = config.getoption("--site")
        self.limit = config.getoption("--limit")
        self.site = Site.read(inventory, self.limit) if inventory else Site({}, {})
        self.file = config.getoption("--evidence-to")
        self.recorder = Recorder()
        self.sockets = tempfile.TemporaryDirectory(prefix="rz")  # of ssh: one login a host
        self.started_s = 0.0
        self._hosts: dict[str, testinfra.host.Host] = {}
        self._gone: dict[str, str] = {}

    def hosts_of(self, control_id: str) -> list[str]:
        """Return the hosts that a control is about."""
        control = self.catalogue.get(control_id)
        if control is None:
            return []
        return [name for name, groups in self.site.groups.items() if concerns(control, groups)]

    def host(self, name: str) -> testinfra.host.Host:
        """Return the connection to a host; raises ConnectionError at once when it is gone."""
        if name in self._gone:
            raise ConnectionError(self._gone[name])
        if name not in self._hosts:
            self._hosts[name] = self.recorder.listen(self.site.connect(name, self.sockets.name))
        return self._hosts[name]

    def describe(self, name: str) -> Host:
        """Ask a host what it is; a host that does not answer is described by nothing."""
        groups = tuple(sorted(self.site.groups[name]))
        try:
            host = self.host(name)
            system = host.run('. /etc/os-release && printf %s "$PRETTY_NAME"').stdout
            kernel = host.run("uname -r").stdout.strip()
            release = host.run("readlink -f /opt/rizzpay/current").stdout.strip()
        except (RuntimeError, OSError) as error:
            self._gone[name] = f"{name} does not answer: {str(error)[:200]}"
            return Host(name, groups, "", "", "")
        return Host(name, groups, system, kernel, release.rpartition("/")[2])

    def write(self, record: Started | Host | Check | Finished) -> None:
        """Add a line to the file of this run."""
        if self.file:
            with Path(self.file).open("ab") as file:
                file.write(msgspec.json.encode({type(record).__name__.lower(): record}) + b"\n")


def pytest_addoption(parser):
    group = parser.getgroup("compliance")
    group.addoption("--site", default="", help="the Ansible inventory")
    group.addoption("--limit", default="", help="only hosts of this Ansible pattern")
    group.addoption("--controls", default="", help="only these ids, with commas between")
    group.addoption("--evidence-to", default="", help="write what is found to this file")


RUN = pytest.StashKey[Run]()


def pytest_configure(config):
    config.addinivalue_line("markers", f"{MARK}(id): the control that this test tries")
    config.stash[RUN] = Run(config)
    signal.signal(signal.SIGALRM, _too_slow)


def pytest_unconfigure(config):
    config.stash[RUN].sockets.cleanup()


def _too_slow(*_) -> None:
    raise TimeoutError(f"the command did not end within {COMMAND_S} s")


def control_of(item) -> str | None:
    """Return the id of the control that a test names."""
    marks = list(item.iter_markers(MARK))
    return marks[0].args[0] if len(marks) == 1 and len(marks[0].args) == 1 else None


def pytest_generate_tests(metafunc):
    """Run the test once for every host that its control is about."""
    if "host" in metafunc.fixturenames:
        run = metafunc.config.stash[RUN]
        names = run.hosts_of(control_of(metafunc.definition) or "") or [NO_HOST]
        metafunc.parametrize("host_name", names, scope="session")


def pytest_collection_modifyitems(config, items):
    """Refuse tests without a control, controls without a test, and doubles."""
    run = config.stash[RUN]
    tests: dict[str, set[str]] = {}
    for item in items:
        control_id = control_of(item)
        if control_id is None:
            raise pytest.UsageError(f"{item.nodeid} does not name one control")
        if control_id not in run.catalogue:
            raise pytest.UsageError(f"{item.nodeid}: the catalogue knows no {control_id}")
        if run.catalogue[control_id].attestation:
            raise pytest.UsageError(f"{item.nodeid}: {control_id} needs a person")
        tests.setdefault(control_id, set()).add(item.nodeid.partition("[")[0])
    for control_id, control in run.catalogue.items():
        if not control.attestation and len(tests.get(control_id, ())) != 1:
            count = len(tests.get(control_id, ()))
            raise pytest.UsageError(f"{control_id} has {count} tests and must have one")
    wanted = run.only or tuple(tests)
    unknown = set(wanted) - set(run.catalogue)
    if unknown:
        raise pytest.UsageError(f"the catalogue knows no {', '.join(sorted(unknown))}")
    items[:] = [
        item
        for item in items
        if control_of(item) in wanted and item.callspec.params["host_name"] != NO_HOST
    ]


def pytest_collection_finish(session):
    run = session.config.stash[RUN]
    if session.config.option.collectonly:
        return
    versions = {name: importlib.metadata.version(name) for name in TOOLS}
    run.write(Started(_now(), versions, len(session.items), run.limit, run.only))
    for name in run.site.groups:
        run.write(run.describe(name))


def pytest_sessionfinish(session):
    if not session.config.option.collectonly:
        session.config.stash[RUN].write(Finished(_now()))


@pytest.fixture(scope="session")
def site(pytestconfig):
    """The machines of the inventory: who is in which group, at which address."""
    return pytestconfig.stash[RUN].site


@pytest.fixture(scope="session")
def host_name():
    """Parametrised: the host of the inventory that the control is tried on."""
    raise LookupError("a control runs on a host")


@pytest.fixture
def host(pytestconfig, host_name):
    """The host, as testinfra reaches it; everything that is run there becomes evidence."""
    return pytestconfig.stash[RUN].host(host_name)


@pytest.fixture(scope="session")
def other_host(pytestconfig):
    """A function from a name of the inventory to that host, for what takes two."""
    return pytestconfig.stash[RUN].host


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    run = item.config.stash[RUN]
    run.recorder.evidence = []
    run.started_s = clock.monotonic_s()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" or (report.when == "setup" and not report.passed):
        run = item.config.stash[RUN]
        status, reason = _verdict(call.excinfo)
        run.write(
            Check(
                control_of(item),
                item.callspec.params["host_name"],
                status,
                redaction.hidden(reason),
                _now(),
                round((clock.monotonic_s() - run.started_s) * 1000),
                tuple(run.recorder.evidence),
            )
        )
    return report


def _verdict(error) -> tuple[Status, str]:
    if error is None:
        return Status.PASSED, ""
    if isinstance(error.value, NotApplicable):
        return Status.NOT_APPLICABLE, str(error.value.msg)
    text = str(error.value).strip()
    if isinstance(error.value, AssertionError):
        # what a person wrote stands before pytest's explanation of the assertion
        return Status.FAILED, text.partition("\nassert ")[0] or text
    return Status.ERROR, f"{type(error.value).__name__}: {text[:500]}"


def _now() -> str:
    return clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
