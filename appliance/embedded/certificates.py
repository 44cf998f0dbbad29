"""A certificate authority of this machine, and the certificate of its API.

The authority can vouch for this machine and nothing else (name constraints), so trusting it does
no harm elsewhere. For development: production gets its certificates from the bank.
"""

import ipaddress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.embedded.layout import write_private

AUTHORITY_LIFE = timedelta(days=3650)
LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=7)
BACKDATED = timedelta(hours=1)  # clients whose clocks are a little behind
HOST_NAME = "localhost"
ADDRESSES = ("127.0.0.1", "::1")


def ensure(directory: Path, now: datetime) -> tuple[Path, Path]:
    """Make what is missing or about to run out; return the authority's file and the server's.

    The server's file holds certificate and key, as HAProxy wants it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    ca_file, ca_key_file = directory / "ca.pem", directory / "ca.key"
    server_file = directory / "server.pem"
    if not ca_file.exists() or not ca_key_file.exists():
        _make_authority(ca_file, ca_key_file, now)
        server_file.unlink(missing_ok=True)
    if not server_file.exists() or _runs_out(server_file, now):
        _make_server(ca_file, ca_key_file, server_file, now)
    return ca_file, server_file


def _runs_out(path: Path, now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_after_utc - now < RENEW_BEFORE


def _make_authority(ca_file: Path, ca_key_file: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("RizzPay embedded appliance CA")
    permitted: list[x509.GeneralName] = [x509.DNSName(HOST_NAME)]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in ADDRESSES]
    certificate = (
        _builder(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(ca_key_file, _pem(key))
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _make_server(ca_file: Path, ca_key_file: Path, server_file: Path, now: datetime) -> None:
    authority = x509.load_pem_x509_certificate(ca_file.read_bytes())
    ca_key = serialization.load_pem_private_key(ca_key_file.read_bytes(), password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not the one that we made")
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(HOST_NAME)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        _builder(_name(HOST_NAME), authority.subject, key, now, LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(authority_key, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_private(
        server_file, certificate.public_bytes(serialization.Encoding.PEM).decode() + _pem(key)
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
