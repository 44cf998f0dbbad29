"""The bill of materials of a bundle: every Python and every Debian package in it, as CycloneDX 1.6.

The same packages give the same document: its time is the bundle's, its serial number is made of
what it lists.
"""

import hashlib
import json
import re
import uuid
import zipfile
from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from appliance.bundle.debian import Deb, field

NAMESPACE = uuid.UUID("6f0e5a52-6a0f-5a3e-9f6b-5d1f6f9a7c11")  # of our serial numbers; any will do
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")


def document(
    version: str, suite: str, made: datetime, wheels: Sequence[Path], debs: Sequence[Deb]
) -> str:
    """Return the bill of materials as JSON."""
    product = Component(
        name="rizzpay",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"rizzpay-bundle@{version}",
    )
    bom = Bom(metadata=BomMetaData(component=product, timestamp=made))
    python = {_key(_metadata(wheel)["Name"]): wheel for wheel in wheels}
    of_python = {name: _of_wheel(wheel) for name, wheel in python.items()}
    of_debian = {field(deb.stanza, "Package"): _of_deb(deb, suite) for deb in debs}
    bom.components.update((*of_python.values(), *of_debian.values()))
    for name, wheel in python.items():
        needs = _metadata(wheel).get_all("Requires-Dist") or []
        names = {_key(_first_name(need)) for need in needs if "extra ==" not in need}
        bom.register_dependency(of_python[name], [of_python[n] for n in sorted(names & {*python})])
    for deb in debs:
        alternatives = f"{field(deb.stanza, 'Pre-Depends')},{field(deb.stanza, 'Depends')}"
        names = {_first_name(one) for one in re.split(r"[,|]", alternatives) if one.strip()}
        known = [of_debian[name] for name in sorted(names & {*of_debian})]
        bom.register_dependency(of_debian[field(deb.stanza, "Package")], known)
    bom.register_dependency(product, bom.components)
    listed = sorted(str(component.purl) for component in bom.components)
    bom.serial_number = uuid.uuid5(NAMESPACE, "\n".join([version, *listed]))
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    return json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _of_wheel(wheel: Path) -> Component:
    said = _metadata(wheel)
    expression = said["License-Expression"]
    named = [
        line.rpartition(" :: ")[2]
        for line in said.get_all("Classifier") or []
        if line.startswith("License :: ")
    ]
    licence = (
        [LicenseExpression(value=expression)]
        if expression
        else [DisjunctiveLicense(name=name) for name in named[:1]]
    )
    name, version = _key(said["Name"]), said["Version"]
    return Component(
        name=name,
        version=version,
        description=said["Summary"],
        licenses=licence,
        hashes=[_sha256(wheel)],
        purl=PackageURL("pypi", name=name, version=version),
        bom_ref=f"pypi/{name}@{version}",
    )


def _of_deb(deb: Deb, suite: str) -> Component:
    name, version = field(deb.stanza, "Package"), field(deb.stanza, "Version")
    qualifiers = {"arch": field(deb.stanza, "Architecture"), "distro": suite}
    return Component(
        name=name,
        version=version,
        description=field(deb.stanza, "Description"),
        supplier=OrganizationalEntity(name=field(deb.stanza, "Maintainer").partition(" <")[0]),
        hashes=[_sha256(deb.file)],
        purl=PackageURL("deb", "debian", name, version, qualifiers),
        bom_ref=f"deb/{name}@{version}",
    )


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return HeaderParser().parsestr(archive.read(name).decode())


def _key(name: str) -> str:
    """Return a Python package's name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _first_name(requirement: str) -> str:
    """Return the package that a requirement is about."""
    found = NAME.match(requirement.strip())
    return found[0] if found else ""


def _sha256(file: Path) -> HashType:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
