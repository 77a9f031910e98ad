"""A private certificate authority, for providers and proxies that speak TLS."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL.crypto import X509

SERVER_AND_CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])

DAY = timedelta(days=1)


class CertificateAuthority:
    """`pem` is the file with its own certificate. Everything it issues is written to `folder` too."""

    def __init__(self, folder: Path, name: str = "Private Test CA") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        may_sign = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._own = (
            _certificate(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(may_sign, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = folder / f"{name.replace(' ', '-')}.pem"
        self.pem.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))

    def for_mitmproxy(self) -> None:
        """Writes what mitmproxy looks for in its `confdir`: it takes 0.1 s of CPU time to make and load an RSA key."""
        certificate = self.pem.read_bytes()
        (self.folder / "mitmproxy-ca.pem").write_bytes(_private(self._key) + certificate)
        (self.folder / "mitmproxy-ca-cert.pem").write_bytes(certificate)

    @property
    def hashed(self) -> Path:
        """A folder with its certificate under the name that OpenSSL looks for."""
        folder = self.folder / "hashed"
        folder.mkdir(exist_ok=True)
        number = X509.from_cryptography(self._own).subject_name_hash()
        (folder / f"{number:08x}.0").write_bytes(self.pem.read_bytes())
        return folder

    def issue(self, *names: str, until: timedelta = DAY) -> Path:
        """A certificate for these host names or addresses, with its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = (
            _certificate(subject, self._name, key.public_key(), until)
            .add_extension(x509.SubjectAlternativeName(_names(names)), critical=False)
            .add_extension(SERVER_AND_CLIENT, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self.folder / f"{names[0]}.pem"
        path.write_bytes(_private(key) + certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def server(self, *names: str, asks_for_certificate: bool = False, until: timedelta = DAY) -> ssl.SSLContext:
        """What a server of these names needs. With `asks_for_certificate` its clients need one of this authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.pem)
        context.load_cert_chain(self.issue(*(names or ("127.0.0.1",)), until=until))
        if asks_for_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: timedelta = DAY
) -> x509.CertificateBuilder:
    """Valid for the last day, and `until` from now."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + until)
    )


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [
        x509.IPAddress(ip_address(name)) if name[0].isdigit() or ":" in name else x509.DNSName(name) for name in names
    ]


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
