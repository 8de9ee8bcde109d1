"""Signatures: netwatch's own are believed by ssh-keygen, and altered ones by nobody."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netwatch.errors import UsageError
from netwatch.report.sign import (
    NAMESPACE,
    build_raw_public,
    build_signature,
    is_signed_by,
    parse_signature,
    read_private_key,
    read_public_key,
)

MESSAGE = b'{"files": []}\n'


def make_openssh_key(folder: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    key = folder / f"key-{kind}"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "town", "-f", str(key)],
        check=True,
    )
    return key


def make_pem_key(folder: Path) -> Path:
    key = folder / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True)
    return key


def test_ssh_keygen_believes_a_signature_of_ours(tmp_path: Path) -> None:
    """ssh-keygen -Y verify accepts the signature for the key that made it."""
    key_path = make_openssh_key(tmp_path)
    signature = tmp_path / "manifest.json.sig"
    signature.write_bytes(build_signature(MESSAGE, read_private_key(key_path)))
    public = key_path.with_suffix(".pub").read_text()
    allowed = tmp_path / "allowed"
    allowed.write_text(f"town {public}")
    arguments = ["-f", str(allowed), "-I", "town", "-n", NAMESPACE.decode(), "-s", str(signature)]
    done = subprocess.run(
        ["ssh-keygen", "-Y", "verify", *arguments], input=MESSAGE, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    changed = subprocess.run(
        ["ssh-keygen", "-Y", "verify", *arguments], input=MESSAGE + b" ", capture_output=True
    )
    assert changed.returncode != 0


def test_a_signature_by_ssh_keygen_is_believed(tmp_path: Path) -> None:
    """What ssh-keygen -Y sign made is read, with the fingerprint that ssh-keygen -l shows."""
    key_path = make_openssh_key(tmp_path)
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key_path), "-n", NAMESPACE.decode()],
        input=MESSAGE,
        capture_output=True,
        check=True,
    )
    signature = parse_signature(done.stdout)
    public = build_raw_public(read_public_key(key_path.with_suffix(".pub")))
    assert is_signed_by(MESSAGE, signature, public)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(key_path)], capture_output=True, text=True, check=True
    )
    assert signature.fingerprint in shown.stdout


def test_a_pem_key_signs_and_its_public_half_verifies(tmp_path: Path) -> None:
    """A key made with openssl works as one made with ssh-keygen does."""
    key_path = make_pem_key(tmp_path)
    public_path = tmp_path / "key.pub.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", str(key_path), "-pubout", "-out", str(public_path)], check=True
    )
    signature = parse_signature(build_signature(MESSAGE, read_private_key(key_path)))
    public = build_raw_public(read_public_key(public_path))
    assert is_signed_by(MESSAGE, signature, public)
    assert not is_signed_by(MESSAGE + b"\n", signature, public)


def test_every_changed_byte_of_a_signature_is_found(tmp_path: Path) -> None:
    """No flipped bit of the armoured text leaves a signature that still holds."""
    key = read_private_key(make_openssh_key(tmp_path))
    public = build_raw_public(key.public_key())
    armoured = build_signature(MESSAGE, key)
    first = armoured.index(b"\n") + 1
    last = armoured.index(b"\n-----END")
    for position in range(first, last):
        if armoured[position : position + 1] in b"\n=":
            continue
        changed = bytearray(armoured)
        changed[position] = ord("A") if changed[position] != ord("A") else ord("B")
        try:
            signature = parse_signature(bytes(changed))
        except ValueError:
            continue
        assert not is_signed_by(MESSAGE, signature, public), position


@pytest.mark.parametrize("length", [0, 30, 100, 250])
def test_a_signature_that_is_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    """A truncated signature is a sentence, not a crash."""
    armoured = build_signature(MESSAGE, read_private_key(make_openssh_key(tmp_path)))
    with pytest.raises(ValueError, match=r"^(it is|its base64)"):
        parse_signature(armoured[:length] + b"\n-----END SSH SIGNATURE-----\n")


def test_a_signature_made_for_something_else_is_refused(tmp_path: Path) -> None:
    """The namespace keeps a signature of a commit from passing as one of evidence."""
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-f", str(make_openssh_key(tmp_path)), "-n", "git"],
        input=MESSAGE,
        capture_output=True,
        check=True,
    )
    with pytest.raises(ValueError, match="it was made for 'git', not for 'netwatch-evidence'"):
        parse_signature(done.stdout)


def test_keys_that_cannot_sign_are_refused_with_what_would_do(tmp_path: Path) -> None:
    """Absent, of another kind, locked, public, or no key at all: each is a sentence."""
    absent = tmp_path / "absent"
    with pytest.raises(UsageError, match=r"absent: the signing key cannot be read \(No such file"):
        read_private_key(absent)
    rsa = make_openssh_key(tmp_path, "rsa")
    with pytest.raises(UsageError, match="must be an Ed25519 key, got RSA; make one with: ssh-key"):
        read_private_key(rsa)
    with pytest.raises(UsageError, match="must be an Ed25519 key, got RSA"):
        read_public_key(rsa.with_suffix(".pub"))
    locked = make_openssh_key(tmp_path, passphrase="a passphrase")
    with pytest.raises(UsageError, match="passphrase"):
        read_private_key(locked)
    noise = tmp_path / "noise"
    noise.write_bytes(b"-----BEGIN nothing")
    with pytest.raises(UsageError, match="noise: not an OpenSSH or PEM private key without"):
        read_private_key(noise)
    with pytest.raises(UsageError, match="noise: not an OpenSSH or PEM public key"):
        read_public_key(noise)
    with pytest.raises(UsageError, match="this is a private key: give the public one"):
        read_public_key(locked)
    with pytest.raises(UsageError, match=r"the public key cannot be read \(No such file"):
        read_public_key(absent)
