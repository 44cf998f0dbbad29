"""The parts of a bundle: the roles' packages, apt's repository, the bill of materials, the keys."""

import json
import subprocess
from datetime import UTC, datetime

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jinja2 import UndefinedError

from appliance.bundle import debian, keys, packages, sbom
from appliance.bundle.debian import Deb

MADE = datetime(2026, 11, 21, tzinfo=UTC)
CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: RizzPay <rizzpay@bank.example>
Depends: {depends}
Description: a package of the test
"""


def built(directory, name, version="1.0", depends="libc6"):
    """Build a small package and return it as the mirror would list it."""
    root = directory / name
    (root / "DEBIAN").mkdir(parents=True)
    control = CONTROL.format(name=name, version=version, depends=depends)
    (root / "DEBIAN" / "control").write_text(control)
    file = directory / f"{name}_{version.replace(':', '%3a')}_all.deb"
    subprocess.run(["dpkg-deb", "--build", root, file], check=True, stdout=subprocess.DEVNULL)
    digest = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    size = file.stat().st_size
    extra = f"Filename: pool/{name}.deb\nSize: {size}\nSHA256: {digest.stdout.split()[0]}"
    return Deb(file, f"{control}{extra}")


@pytest.fixture
def debs(tmp_path):
    """Two packages, of which one needs the other and one has an epoch."""
    return [
        built(tmp_path, "rizz-one", depends="rizz-two (>= 2:1) | other, libc6"),
        built(tmp_path, "rizz-two", version="2:1.0-1"),
    ]


def test_packages_are_what_the_defaults_of_the_roles_name(tmp_path):
    defaults = tmp_path / "db" / "defaults" / "main.yml"
    defaults.parent.mkdir(parents=True)
    defaults.write_text(
        "db_version: 17\n"
        "db_packages:\n"
        "  - postgresql-{{ db_version }}\n"
        "  - \"{{ 'valkey' if ansible_facts['distribution_release'] == 'trixie' else 'redis' }}\"\n"
        "db_other: [not-a-package]\n"
    )
    found = packages.wanted(tmp_path, {"distribution_release": "trixie"})
    assert {"postgresql-17", "valkey"} <= set(found)
    assert "not-a-package" not in found


def test_a_package_whose_name_is_not_known_stops_the_build(tmp_path):
    (tmp_path / "db" / "defaults").mkdir(parents=True)
    (tmp_path / "db" / "defaults" / "main.yml").write_text('db_packages: ["x-{{ unknown }}"]\n')
    with pytest.raises(UndefinedError):
        packages.wanted(tmp_path, {})


def test_apt_finds_the_packages_of_the_repository_and_nothing_else(debs, tmp_path):
    repository = tmp_path / "repository"
    debian.write_repository(debs, repository, "trixie", MADE)
    root = tmp_path / "apt"
    for part in ("lists/partial", "cache/archives/partial", "etc"):
        (root / part).mkdir(parents=True)
    (root / "status").touch()
    (root / "etc/list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    settings = {
        "Dir::State::Lists": root / "lists",
        "Dir::State::status": root / "status",
        "Dir::Cache": root / "cache",
        "Dir::Etc::sourcelist": root / "etc/list",
        "Dir::Etc::sourceparts": "-",
        "APT::Sandbox::User": "root",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    subprocess.run(["apt-get", *options, "-qq", "update"], check=True)
    command = ["apt-get", *options, "-qq", "download", "rizz-one", "rizz-two"]
    subprocess.run(command, cwd=root, check=True)
    assert sorted(path.name for path in root.glob("*.deb")) == [
        "rizz-one_1.0_all.deb",
        "rizz-two_2%3a1.0-1_all.deb",
    ]
    listed = subprocess.run(
        ["apt-cache", *options, "pkgnames"], capture_output=True, text=True, check=True
    )
    assert set(listed.stdout.split()) <= {"rizz-one", "rizz-two", "libc6", "other"}


def test_the_bill_of_materials_is_valid_and_always_the_same(debs):
    bill = sbom.document("1.0.0", "trixie", MADE, [], debs)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert sbom.document("1.0.0", "trixie", MADE, [], list(reversed(debs))) == bill
    value = json.loads(bill)
    urls = {component["purl"] for component in value["components"]}
    assert "pkg:deb/debian/rizz-two@2:1.0-1?arch=all&distro=trixie" in urls
    depends = {one["ref"]: one.get("dependsOn", []) for one in value["dependencies"]}
    assert depends["deb/rizz-one@1.0"] == ["deb/rizz-two@2:1.0-1"]


def test_a_key_is_private_and_never_overwritten(tmp_path):
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    keys.make(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    key = keys.read_private(private)
    key_of_file = keys.read_public(public)
    assert keys.fingerprint(key.public_key()) == keys.fingerprint(key_of_file)
    with pytest.raises(FileExistsError):
        keys.make(private, tmp_path / "other.pem")
    assert keys.read_private(private).sign(b"x") == key.sign(b"x")
