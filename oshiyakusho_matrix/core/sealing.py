"""Seals personal data, so that a copy of the database, its log or a backup tells nothing about anybody.

Pure computation: whoever keeps names, addresses or codes in a row seals them here before they are written. AES-256-GCM
(NIST SP 800-38D) with a random nonce of 96 bits; the context (what it is, and whose) is authenticated with it, so a
ciphertext that is moved to another row or column does not open. What has to be looked up or compared has a digest
beside it: HMAC-SHA256, each use under a key of its own that HKDF (RFC 5869) derives from the one in the key file.

Several keys make it possible to change them: the first seals, all open.
"""

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from oshiyakusho_matrix.core.errors import Misconfigured, Permanent

_VERSION: Final = b"\x01"
_KEY_BYTES: Final = 32
_MARK_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_DIGEST_BYTES: Final = 16
_HEAD_BYTES: Final = len(_VERSION) + _MARK_BYTES
#: A key with fewer different bytes was not drawn at random (of 32 random bytes about 30 are different).
_FEWEST_DIFFERENT: Final = 16


class NotOpened(Permanent):
    """What is sealed cannot be opened: the key is not there, it was changed, or it belongs somewhere else."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What one line of the key file becomes. ``mark`` tells keys apart and gives nothing away about them."""

    mark: bytes
    box: AESGCM = field(repr=False)
    index: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> "_Key":
        def derived(use: str, length: int = _KEY_BYTES) -> bytes:
            return HKDF(SHA256(), length, salt=None, info=f"oshiyakusho_matrix 1 {use}".encode()).derive(secret)

        return cls(derived("mark", _MARK_BYTES), AESGCM(derived("seal")), derived("index"), derived("digest"))


class Sealer:
    """Seals and opens texts. ``keys`` are lines as ``new_key`` makes them; the first seals, all open."""

    def __init__(self, *keys: str) -> None:
        self._keys = tuple(_Key.of(_decoded(key)) for key in keys)
        if not self._keys:
            raise ValueError("a sealer needs a key")

    @property
    def fingerprint(self) -> str:
        """The key that seals: 16 hexadecimal digits, no secret."""
        return self._keys[0].mark.hex()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """All keys that open, the one that seals first."""
        return tuple(key.mark.hex() for key in self._keys)

    def seal(self, text: str, context: str) -> bytes:
        """Seal a text for one place: ``application.sealed:REFERENCE``. Twice the same text looks different."""
        key = self._keys[0]
        head, nonce = _VERSION + key.mark, os.urandom(_NONCE_BYTES)
        return head + nonce + key.box.encrypt(nonce, _bytes(text), head + _bytes(context))

    def open(self, sealed: bytes, context: str) -> str:
        """Return what was sealed for this place. ``NotOpened`` (which says nothing of the text) if that fails."""
        head, rest = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        nonce = rest[:_NONCE_BYTES]
        if len(nonce) < _NONCE_BYTES or not head.startswith(_VERSION):
            raise NotOpened("this was not sealed by this program, or by a newer version of it")
        for key in self._keys:
            if key.mark == head[len(_VERSION) :]:
                try:
                    opened = key.box.decrypt(nonce, rest[_NONCE_BYTES:], head + _bytes(context))
                except InvalidTag:
                    raise NotOpened("what was sealed has been changed, or belongs somewhere else") from None
                return opened.decode(errors="surrogatepass")
        raise NotOpened(f"it was sealed with the key {head[len(_VERSION) :].hex()}, which is not among the keys")

    def index(self, text: str, context: str) -> str:
        """Return what to look a text up by (32 hexadecimal digits): the same for the same text and context.

        Whoever calls it brings the text to one form first. It tells that two rows are of one text, and nothing else
        without the key.
        """
        return _hmac(self._keys[0].index, text, context)

    def indexes(self, text: str, context: str) -> tuple[str, ...]:
        """Return the indexes under all keys, for looking up what may have been written under an older one."""
        return tuple(_hmac(key.index, text, context) for key in self._keys)

    def digest(self, text: str, context: str) -> str:
        """Return what to compare a short code or a secret with (32 hexadecimal digits), as it is kept in a row.

        Eight digits are soon tried out: without the key that is of no use.
        """
        return _hmac(self._keys[0].digest, text, context)

    def is_digest(self, digest: str, text: str, context: str) -> bool:
        """Tell, in the same time for any text, whether a digest of any of the keys is that of a text."""
        found = [hmac.compare_digest(_bytes(_hmac(k.digest, text, context)), _bytes(digest)) for k in self._keys]
        return any(found)


def new_key() -> str:
    """Return a new key: 256 random bits as a line of base64url."""
    return secrets.token_urlsafe(_KEY_BYTES)


def read_keys(text: str, where: str) -> Sealer:
    """Read a key file (or a variable): a key on each line, the current one first; ``#`` begins a comment.

    ``where`` begins the sentence of ``Misconfigured``, which never repeats what stands there.
    """
    keys: list[str] = []
    for number, word in _words(text):
        try:
            _decoded(word)
        except ValueError as error:
            raise Misconfigured(f"{where}, line {number}: {error}.") from None
        if word in keys:
            raise Misconfigured(f"{where}, line {number}: this key stands there a second time.")
        keys.append(word)
    if not keys:
        raise Misconfigured(f"{where}: there is no key; `oshiyakusho-matrix key new` makes one.")
    return Sealer(*keys)


def _words(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        for word in line.partition("#")[0].split():
            yield number, word


def _decoded(key: str) -> bytes:
    try:
        secret = base64.b64decode(key.rstrip("=") + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise ValueError("this is no key; `oshiyakusho-matrix key new` makes one")
    if len(set(secret)) < _FEWEST_DIFFERENT:
        raise ValueError("this key was not drawn at random; `oshiyakusho-matrix key new` makes one that was")
    return secret


def _hmac(key: bytes, text: str, context: str) -> str:
    return hmac.digest(key, _joined((context, text)), "sha256")[:_DIGEST_BYTES].hex()


def _joined(words: Sequence[str]) -> bytes:
    """Join words so that no two lists of words come to the same: each after its length."""
    return b"".join(len(data).to_bytes(8) + data for data in map(_bytes, words))


def _bytes(text: str) -> bytes:
    # An error of encoding would quote the text.
    return text.encode(errors="surrogatepass")
