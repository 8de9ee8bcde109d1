"""Ed25519 signatures over a manifest, in the form that ``ssh-keygen -Y verify`` reads.

Rule of this file: bytes in, bytes out; it must not know what is signed. The form is
OpenSSH's (PROTOCOL.sshsig): whoever doubts netwatch checks with a tool of his own:

    ssh-keygen -t ed25519 -f netwatch-key                     # make a key (no passphrase: -N '')
    openssl genpkey -algorithm ed25519 -out netwatch-key.pem  # or so
    ssh-keygen -Y check-novalidate -n netwatch-evidence -s manifest.json.sig < manifest.json
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from netwatch.errors import UsageError

#: What the signature is for (sshsig's namespace): one made for a file or a commit does not pass here.
NAMESPACE = b"netwatch-evidence"
#: The same for what a centre publishes: a report's signature opens no agent.
CONFIGURATION_NAMESPACE = b"netwatch-configuration"
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"
_KEY_TYPE = b"ssh-ed25519"
_BEGIN = b"-----BEGIN SSH SIGNATURE-----"
_END = b"-----END SSH SIGNATURE-----"
_MAKE_ONE = "make one with: ssh-keygen -t ed25519 -N '' -f netwatch-key"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that was read, not yet checked."""

    public_key: bytes  # 32 raw bytes, as the file claims
    raw: bytes  # 64 bytes

    @property
    def fingerprint(self) -> str:
        return build_fingerprint(self.public_key)


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key in a file: OpenSSH or PEM (PKCS 8), Ed25519, without passphrase.

    Raises ``UsageError`` that says what was found instead.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: the signing key cannot be read ({error.strerror})") from error
    return parse_private_key(data, where=str(path))


def parse_private_key(data: bytes, *, where: str) -> Ed25519PrivateKey:
    """Like :func:`read_private_key`, from bytes; ``where`` names them in messages."""
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, password=None)
    except TypeError as error:
        raise UsageError(
            f"{where}: the signing key has a passphrase, which netwatch cannot ask for in a timer; "
            "take it off with: ssh-keygen -p"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        # An OpenSSH key with a passphrase is a ValueError where bcrypt is not installed.
        raise UsageError(
            f"{where}: not an OpenSSH or PEM private key without passphrase; {_MAKE_ONE}"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
        raise UsageError(f"{where}: must be an Ed25519 key, got {kind}; {_MAKE_ONE}")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a file: an OpenSSH line (``ssh-ed25519 AAAA… name``) or PEM.

    Raises ``UsageError`` that says what was found instead.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: the public key cannot be read ({error.strerror})") from error
    if b"PRIVATE KEY" in data:
        raise UsageError(
            f"{path}: this is a private key: give the public one (with ssh-keygen: .pub)"
        )
    load = load_pem_public_key if data.lstrip().startswith(b"-----BEGIN") else load_ssh_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path}: not an OpenSSH or PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        kind = type(key).__name__.removesuffix("PublicKey").lstrip("_")
        raise UsageError(f"{path}: must be an Ed25519 key, got {kind}")
    return key


def build_raw_public(key: Ed25519PublicKey) -> bytes:
    """The key's 32 bytes (RFC 8032, 5.1.5)."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def build_fingerprint(raw_public: bytes) -> str:
    """What ``ssh-keygen -l`` prints: SHA-256 of the key's wire form, base64 without padding.

    >>> build_fingerprint(bytes(32))
    'SHA256:kmYcvdi2GkPeWxB6XLjrZB8JHsy2Hm8luHMFp9GMvqk'
    """
    blob = _string(_KEY_TYPE) + _string(raw_public)
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()


def build_signature(
    message: bytes, key: Ed25519PrivateKey, *, namespace: bytes = NAMESPACE
) -> bytes:
    """The armoured signature of ``message`` (OpenSSH PROTOCOL.sshsig, version 1).

    Ed25519 is deterministic: the same key and message give the same bytes.
    """
    raw_public = build_raw_public(key.public_key())
    blob = (
        _MAGIC
        + struct.pack(">I", _VERSION)
        + _string(_string(_KEY_TYPE) + _string(raw_public))
        + _string(namespace)
        + _string(b"")
        + _string(_HASH)
        + _string(_string(_KEY_TYPE) + _string(key.sign(_signed_bytes(message, namespace))))
    )
    text = base64.b64encode(blob)
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    return b"\n".join([_BEGIN, *lines, _END, b""])


def parse_signature(data: bytes, *, namespace: bytes = NAMESPACE) -> Signature:
    """Read an armoured signature. Raises ``ValueError`` with a sentence when it is none."""
    body = data.strip()
    if not (body.startswith(_BEGIN) and body.endswith(_END)):
        raise ValueError("it is not an armoured SSH signature")
    try:
        blob = base64.b64decode(b"".join(body[len(_BEGIN) : -len(_END)].split()), validate=True)
    except binascii.Error as error:
        raise ValueError("its base64 is damaged") from error
    if base64.b64encode(blob) != b"".join(body[len(_BEGIN) : -len(_END)].split()):
        raise ValueError("its base64 is damaged")  # bits set in the padding
    if not blob.startswith(_MAGIC):
        raise ValueError("it is not an SSH signature")
    rest = blob[len(_MAGIC) :]
    if rest[:4] != struct.pack(">I", _VERSION):
        raise ValueError("it is of another version than 1")
    key_blob, rest = _take(rest[4:])
    made_for, rest = _take(rest)
    reserved, rest = _take(rest)
    digest, rest = _take(rest)
    signature_blob, rest = _take(rest)
    key_type, key_rest = _take(key_blob)
    raw_public, key_rest = _take(key_rest)
    signature_type, signature_rest = _take(signature_blob)
    raw, signature_rest = _take(signature_rest)
    if rest or key_rest or signature_rest or reserved:
        raise ValueError("it holds more than a signature")
    if (key_type, signature_type) != (_KEY_TYPE, _KEY_TYPE) or len(raw_public) != 32:
        raise ValueError("it is not by an Ed25519 key")
    if made_for != namespace:
        raise ValueError(
            f"it was made for {made_for.decode('ascii', 'replace')!r}, not for {namespace.decode()!r}"
        )
    if digest != _HASH:
        raise ValueError("it uses another hash than SHA-512")
    return Signature(public_key=raw_public, raw=raw)


def is_signed_by(
    message: bytes, signature: Signature, raw_public: bytes, *, namespace: bytes = NAMESPACE
) -> bool:
    """Whether the holder of that key signed exactly these bytes, and the file names no other key."""
    if signature.public_key != raw_public:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(raw_public).verify(
            signature.raw, _signed_bytes(message, namespace)
        )
    except InvalidSignature:
        return False
    return True


def _signed_bytes(message: bytes, namespace: bytes) -> bytes:
    return (
        _MAGIC
        + _string(namespace)
        + _string(b"")
        + _string(_HASH)
        + _string(hashlib.sha512(message).digest())
    )


def _string(value: bytes) -> bytes:
    """RFC 4251, 5: four bytes of length, then the bytes."""
    return struct.pack(">I", len(value)) + value


def _take(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < 4:
        raise ValueError("it is cut short")
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise ValueError("it is cut short")
    return data[4 : 4 + length], data[4 + length :]
