"""Takes secrets out of what a host printed before it becomes evidence that people hand around.

The digest of a piece of evidence is of everything that was printed, so nothing is lost: whoever
runs the command again can compare. What is shown is short and has no secret in it.
"""

import re

from rizzpay.core import sensitive

EXCERPT_MAX = 2000  # characters
HIDDEN = "[hidden]"

_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_HASH = re.compile(r"\$(?:y|gy|7|2[abxy]|6|5|1|argon2\w*)\$[^\s:]+|SCRAM-SHA-256\$\S+")
# What follows a name of a secret: `password = x`, `requirepass x`, `--pin x`, `"secret": "x"`.
_NAMED = re.compile(
    r"(?P<name>(?:password|passwd|passphrase|secret|requirepass|masterauth|masteruser_auth"
    r"|auth_pass|cipher-pass|so[_-]?pin|\bpin|api[_-]?key|token)\"?(?:\s*[=:]\s*|[ \t]+))"
    r"(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s,;]+)",
    re.IGNORECASE,
)
# Answers about a secret that are none: `PasswordAuthentication no`, `password_encryption = scram…`
_PLAIN = re.compile(
    r"[\"']?(?:yes|no|on|off|true|false|none|null|scram-sha-256|[0-9]{1,3}|/\S*|[*!x]+)[\"']?$",
    re.IGNORECASE,
)


def hidden(text: str) -> str:
    """Return the text without keys, password hashes, and values that are named as secrets."""
    text = _KEY.sub(HIDDEN, text)
    text = _HASH.sub(HIDDEN, text)
    text = _NAMED.sub(_replaced, text)
    return sensitive.mask(text)


def excerpt(printed: bytes) -> str:
    """Return the beginning of what was printed, without secrets."""
    text = hidden(printed.decode("utf-8", "replace")).strip()
    return text if len(text) <= EXCERPT_MAX else f"{text[:EXCERPT_MAX]}…"


def _replaced(match: re.Match[str]) -> str:
    value = match["value"]
    return match[0] if _PLAIN.match(value) else f"{match['name']}{HIDDEN}"
