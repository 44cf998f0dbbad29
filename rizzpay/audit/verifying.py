"""Walking the chain and naming what is wrong with it; pure: links in, findings out.

Every link is recomputed from the stored hash before it, so one altered row is one finding and the
walk goes on. What a mismatch means is judged by what else would fit: the next link tells an
altered hash from an altered row, and the rows of other mismatches tell a swap.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from rizzpay.audit import model
from rizzpay.audit.model import Checkpoint, Head, Link, Row

FINDINGS_MAX = 100  # enough to see what happened; a rewritten chain would fill the memory

SignatureCheck = Callable[[Checkpoint], bool | None]  # None: no public key for its label


class Kind(StrEnum):
    """What is wrong."""

    ALTERED = "altered"  # the row, or the hash of the very last link
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    HASH_ALTERED = "hash_altered"
    TAIL_MISSING = "tail_missing"
    CHECKPOINT_ALTERED = "checkpoint_altered"
    CHECKPOINT_CONTRADICTED = "checkpoint_contradicted"
    CHECKPOINT_UNVERIFIABLE = "checkpoint_unverifiable"
    ANCHOR_CONTRADICTED = "anchor_contradicted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; position and audit id where there is one."""

    kind: Kind
    position: int | None
    audit_id: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A link whose hash is not that of its row after the hash before it."""

    link: Link
    previous: bytes
    content: bytes | None
    computed: bytes


@dataclass(slots=True)
class Walk:
    """A walk over the chain from the link after `head`; feed every link in order to `step`."""

    head: Head
    check_signature: SignatureCheck
    findings: list[Finding] = field(default_factory=list)
    truncated: bool = False
    links: int = 0
    checkpoints: int = 0
    last_checkpoint: Checkpoint | None = None
    _before: bytes = b""  # the hash before the head, while it is known
    _last: Link | None = None
    _suspect: Mismatch | None = None
    _mismatches: list[Mismatch] = field(default_factory=list)

    def step(self, link: Link, row: Row | None, checkpoint: Checkpoint | None) -> None:
        """Look at the next link; rows and checkpoints that are gone are None."""
        self._look_at_link(link, row)
        self._before, self.head = self.head.hash, Head(link.position, link.hash)
        self._last = link
        self.links += 1
        if checkpoint is not None:
            self._look_at_checkpoint(link, checkpoint)

    def finish(self) -> list[Finding]:
        """Judge what is left and return all findings in order of position."""
        for mismatch in self._mismatches:
            self._note(self._judge(mismatch))
        self._mismatches.clear()
        self.findings.sort(key=_place)
        return self.findings

    def note(self, kind: Kind, position: int | None, audit_id: int | None, detail: str) -> None:
        """Add a finding that was made elsewhere."""
        self._note(Finding(kind, position, audit_id, detail))

    def _note(self, finding: Finding) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.truncated = True

    def _look_at_link(self, link: Link, row: Row | None) -> None:
        suspect, self._suspect = self._suspect, None
        if link.position != self.head.position + 1:
            gone = f"positions {self.head.position + 1} to {link.position - 1} of the chain"
            self.note(Kind.MISSING, self.head.position + 1, None, f"{gone} are gone")
            return  # what this hash stands on is gone with them
        if row is None:
            self.note(Kind.MISSING, link.position, link.audit_id, "the row was deleted")
            return
        content = model.canonical(row)
        computed = model.link_hash(self.head.hash, content) if content is not None else b""
        if computed == link.hash or self._explained(link, content, suspect):
            return
        self._suspect = Mismatch(link, self.head.hash, content, computed)
        if len(self._mismatches) < FINDINGS_MAX:
            self._mismatches.append(self._suspect)
        else:
            self.truncated = True

    def _explained(self, link: Link, content: bytes | None, suspect: Mismatch | None) -> bool:
        """Tell whether this row is right and only what stands before it is wrong; say so."""
        if content is None or self._last is None:
            return False
        last = self._last
        if suspect is not None and model.link_hash(suspect.computed, content) == link.hash:
            self._mismatches.remove(suspect)
            text = "the row is unchanged; the hash of its link was altered"
            self.note(Kind.HASH_ALTERED, last.position, last.audit_id, text)
            return True
        if model.link_hash(self._before, content) == link.hash:
            if suspect is not None:
                self._mismatches.remove(suspect)
            text = "the next link continues from the one before this"
            self.note(Kind.INSERTED, last.position, last.audit_id, text)
            return True
        return False

    def _judge(self, mismatch: Mismatch) -> Finding:
        link = mismatch.link
        for other in self._mismatches:
            if other is mismatch or other.content is None:
                continue
            if model.link_hash(mismatch.previous, other.content) == link.hash:
                text = f"row {other.link.audit_id} was sealed at this position"
                return Finding(Kind.REORDERED, link.position, link.audit_id, text)
        text = "the row is not what was sealed"
        return Finding(Kind.ALTERED, link.position, link.audit_id, text)

    def _look_at_checkpoint(self, link: Link, checkpoint: Checkpoint) -> None:
        self.checkpoints += 1
        self.last_checkpoint = checkpoint
        genuine = self.check_signature(checkpoint)
        if genuine is None:
            text = f"no public key of {checkpoint.key_label} was given"
            self.note(Kind.CHECKPOINT_UNVERIFIABLE, link.position, None, text)
        elif not genuine:
            text = f"its signature by {checkpoint.key_label} does not fit"
            self.note(Kind.CHECKPOINT_ALTERED, link.position, None, text)
        elif checkpoint.hash != link.hash:
            text = f"signed at {checkpoint.signed_at} with another hash: the chain was rewritten"
            self.note(Kind.CHECKPOINT_CONTRADICTED, link.position, link.audit_id, text)


def _place(finding: Finding) -> tuple[bool, int, int]:
    return finding.position is None, finding.position or 0, finding.audit_id or 0
