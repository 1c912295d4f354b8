"""The desk of a network's secretariat: every change is proposed by somebody, signed by others, then issued.

Prepares drafts on ``registry.publisher`` and holds them to the rules people keep: a record's keys follow one
another, a revoked key never comes back, four eyes, cooling-off. Cannot sign for anybody but the automatic
key, whose file lies in the folder, because the daily refresh runs without people.
"""

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from crypto.encoding import wire_time
from crypto.errors import Refusal
from crypto.strictjson import dumps, loads_object
from gateway.errors import GatewayRefusal
from gateway.model.record_changes import RecordChange
from gateway.services.durablefile import write_durably
from gateway.services.lockfile import locked
from gateway.services.publishing.changes import state_changes
from gateway.services.publishing.keyrules import following_keys, refuse_broken_line
from gateway.services.publishing.proposals import Proposal, Proposals, refuse_early, rules_from
from gateway.services.registry.drafts import Draft
from gateway.services.registry.holders import Holder, HolderKeys
from gateway.services.registry.policy import TOP_ROLES, NetworkKind, role_state
from gateway.services.registry.publisher import Progress, Publication

_RULES = "rules.json"
_AUTOMATIC = "automatic"
_KEYS = "keys.pem"
_PASSPHRASE = "passphrase"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftStatus:
    """What one draft still needs; ``until``: when its waiting ends, ``None`` if it need not wait."""

    role: str
    version: int
    progress: Progress
    proposal: Proposal | None
    until: datetime | None


class PublishingDesk:
    """One publication and its rules. ``open`` holds the folder's lock: one person works on it at a time."""

    def __init__(self, folder: Path, publication: Publication, cooling_off: timedelta) -> None:
        self.folder = folder
        self.publication = publication
        self.cooling_off = cooling_off
        self._proposals = Proposals(folder / "proposals")

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        network: str,
        kind: NetworkKind,
        holders: Sequence[Holder],
        needed: int,
        cooling_off: timedelta,
        now: datetime,
    ) -> "PublishingDesk":
        """Begin a network: its automatic key, and drafts of root and targets for its holders to sign.

        Raises as ``Publication.create``, and ``cooling-off-short`` for a real network below one hour.
        """
        if kind == "real" and cooling_off < timedelta(hours=1):
            raise GatewayRefusal("cooling-off-short")
        automatic = HolderKeys.generate(_AUTOMATIC)
        publication = Publication.create(
            folder,
            network=network,
            kind=kind,
            holders=holders,
            needed=needed,
            automatic=automatic.public,
            now=now,
        )
        # No person remembers this passphrase: it is random, and needs no stretching.
        passphrase = secrets.token_urlsafe(32).encode("ascii")
        (folder / _AUTOMATIC).mkdir(mode=0o700)
        write_durably(folder / _AUTOMATIC / _KEYS, automatic.to_pem(passphrase))
        write_durably(folder / _AUTOMATIC / _PASSPHRASE, passphrase)
        hours = int(cooling_off.total_seconds() // 3600)
        write_durably(folder / _RULES, dumps({"v": 1, "cooling_off_hours": hours}))
        desk = cls(folder, publication, cooling_off)
        for role in TOP_ROLES:
            desk._note(role, by=None, changes=(f"{role} of a new network.",), waits=False, now=now)
        return desk

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["PublishingDesk"]:
        """Open the desk of a folder. Raises ``GatewayRefusal`` ``publication-invalid``, ``-in-use``."""
        publication = Publication.open(folder)
        try:
            cooling_off = rules_from(loads_object((folder / _RULES).read_bytes()))
        except (OSError, Refusal):
            raise GatewayRefusal("publication-invalid", detail="rules") from None
        with locked(folder / ".lock", "publication-in-use"):
            yield cls(folder, publication, cooling_off)

    # Proposing

    def propose_record(
        self,
        record: Mapping[str, Any],
        *,
        by: str,
        state: Mapping[str, Any] | None = None,
        requirements: Mapping[str, Any] | None = None,
        keys_lost: bool = False,
        now: datetime,
    ) -> tuple[RecordChange, ...]:
        """Draft an authority's record, confirmed today; return what it changes. Nobody has signed it yet.

        ``keys_lost``: the authority has none of its former keys any more; they stay listed as revoked, for
        old evidence. Raises as ``Publication.draft_record``, and ``key-given-back`` or ``keys-no-overlap``.
        """
        cc = str(record.get("authority_id"))[:2]
        known = self.publication.records().get(str(record.get("authority_id")))
        confirmed = {**record, "verified_at": now.date().isoformat()}
        if known is not None:
            confirmed["keys"] = following_keys(known, confirmed, keys_lost=keys_lost, now=now)
        self.publication.draft_record(cc, confirmed, state=state, requirements=requirements, now=now)
        return self._note_state(cc, by, now)

    def propose_removal(self, authority_id: str, *, by: str, now: datetime) -> tuple[RecordChange, ...]:
        """Draft that an authority is listed no more. Raises as ``Publication.remove_record``."""
        cc = authority_id[:2]
        self.publication.remove_record(cc, authority_id, now)
        return self._note_state(cc, by, now)

    def propose_ended_key(
        self, authority_id: str, kid: str, *, reason: str, since: str | None, by: str, now: datetime
    ) -> tuple[RecordChange, ...]:
        """Draft a record in which a key is revoked; that waits for nothing but signatures.

        Raises ``GatewayRefusal`` ``not-listed`` or ``key-unknown``.
        """
        record = self.publication.records().get(authority_id)
        if record is None:
            raise GatewayRefusal("not-listed")
        ended = [row for row in record["keys"] if row["kid"] == kid and row["status"] == "active"]
        if not ended:
            raise GatewayRefusal("key-unknown")
        at = wire_time(now)
        mark = {"status": "revoked", "revoked_at": at, "reason": reason}
        if since is not None:
            mark["invalid_since"] = since
        keys = [{**row, **mark} if row["kid"] == kid else row for row in record["keys"]]
        confirmed = {**record, "keys": keys, "verified_at": now.date().isoformat()}
        self.publication.draft_record(authority_id[:2], confirmed, now=now)
        return self._note_state(authority_id[:2], by, now)

    def propose_state(
        self, cc: str, holders: Sequence[Holder], needed: int, *, attested: bool, by: str, now: datetime
    ) -> None:
        """Draft who speaks for a State. Another State's holders wait; a new State does not.

        Raises as ``Publication.draft_state``.
        """
        is_new = self.publication.published(cc) is None
        self.publication.draft_state(cc, holders, needed, attested=attested, now=now)
        names = ", ".join(holder.name for holder in holders)
        how = "the secretariat, attesting it," if attested else f"{needed} of {names}"
        self._note(
            "targets", by=by, changes=(f"{cc.upper()}: {how} signs its records.",), waits=not is_new, now=now
        )
        role = self.publication.states()[cc]
        if role in self.publication.drafts():
            self._note_state(cc, None, now)

    def propose_state_removal(self, cc: str, *, by: str, now: datetime) -> None:
        """Draft that nobody speaks for a State any more. Raises as ``Publication.remove_state``."""
        self.publication.remove_state(cc, now)
        change = f"{cc.upper()}: all its authorities leave the directory."
        self._note("targets", by=by, changes=(change,), waits=False, now=now)

    def propose_renewal(self, role: str, *, now: datetime) -> None:
        """Draft the same again with a later end. Raises as ``Publication.draft_renewal``."""
        self.publication.draft_renewal(role, now)
        if role in TOP_ROLES:
            self._note(role, by=None, changes=(), waits=False, now=now)
        else:
            self._note_state(role_state(role)[1], None, now)

    def propose_successors(self, holders: Sequence[Holder], needed: int, *, by: str, now: datetime) -> None:
        """Draft a root of other holders, which the present ones sign too. Raises as ``draft_root``."""
        self.publication.draft_root(holders, needed, self.automatic().public, now)
        names = ", ".join(holder.name for holder in holders)
        change = f"{needed} of {names} sign for the network."
        self._note("root", by=by, changes=(change,), waits=False, now=now)
        self._note("targets", by=None, changes=(), waits=False, now=now)
        for role in self.publication.drafts():
            # What the old holders attested was drafted again, for the new ones to sign.
            if role not in TOP_ROLES and role_state(role)[0] == "attested":
                self._note_state(role_state(role)[1], None, now)

    def _note_state(self, cc: str, by: str | None, now: datetime) -> tuple[RecordChange, ...]:
        """Note the proposal of a State's draft; the proposer answers for everything in it."""
        role = self.publication.states()[cc]
        before, after = self.publication.published(cc), self.publication.draft(role)
        changes = state_changes(before, after)
        said = tuple(change.sentence for change in changes)
        waits = any(not change.removes_trust for change in changes)
        held = self._proposals.get(role)
        proposer = by if by is not None or held is None or not changes else held.by
        self._note(role, by=proposer if changes else None, changes=said, waits=waits, now=now)
        return changes

    def _note(
        self, role: str, *, by: str | None, changes: tuple[str, ...], waits: bool, now: datetime
    ) -> None:
        digest = self.publication.draft(role).digest
        proposal = Proposal(digest=digest, by=by, at=now, changes=changes, waits=waits)
        self._proposals.put(role, proposal)

    # Signing elsewhere, and issuing

    def take_out(self, roles: Sequence[str], folder: Path) -> list[Path]:
        """Write drafts (all, if none is named) as files that can travel; return where they are."""
        drafts = self.publication.drafts()
        written = []
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role in roles or sorted(drafts):
            path = folder / f"{role}.draft.json"
            write_durably(path, self.publication.draft(role).to_json())
            written.append(path)
        return written

    def bring_in(self, data: bytes, now: datetime, *, by: str | None = None) -> tuple[str, Progress]:
        """Take a draft that travelled: its signatures, and with ``by`` what a State changed in it as well.

        What ``by`` proposes so is held to the same rules, and its time begins now. Raises
        ``GatewayRefusal`` ``draft-invalid``, ``not-proposed`` (a content nobody proposed here),
        ``key-given-back``, ``keys-no-overlap``, or as ``Publication.take_draft``.
        """
        draft = Draft.from_json(data)
        ours = self.publication.drafts().get(draft.role)
        if ours is not None and ours.digest == draft.digest:
            return draft.role, self.publication.take_draft(data, now)
        if by is None or draft.role in TOP_ROLES:
            raise GatewayRefusal("not-proposed", field=draft.role)
        cc = role_state(draft.role)[1]
        known = self.publication.published(cc)
        refuse_broken_line(known.records() if known is not None else {}, draft.records())
        progress = self.publication.take_draft(data, now)
        self._note_state(cc, by, now)
        return draft.role, progress

    def issue(self, now: datetime, roles: Sequence[str] = ()) -> tuple[list[str], dict[str, GatewayRefusal]]:
        """Publish what is signed and may count now, and make it visible; return it, and what waits and why.

        With ``roles`` exactly those. Raises ``GatewayRefusal``: ``directory-unsigned``, ``cooling-off``,
        ``four-eyes`` or ``not-proposed`` if nothing can be issued, or not all of ``roles``.
        """
        drafts = self.publication.drafts()
        waiting: dict[str, GatewayRefusal] = {}
        for role in roles or sorted(drafts):
            draft = self.publication.draft(role)
            progress = self.publication.progress(role)
            try:
                if not progress.complete:
                    raise GatewayRefusal("directory-unsigned", field=", ".join(progress.missing))
                refuse_early(self._proposals.get(role), draft.digest, progress, self.cooling_off, now)
            except GatewayRefusal as refusal:
                waiting[role] = refusal
        ready = [role for role in roles or sorted(drafts) if role not in waiting]
        if waiting and (roles or not ready):
            raise next(iter(waiting.values()))
        issued = self.publication.publish(now, ready)
        self._proposals.drop(issued)
        self.refresh(now)
        return issued, waiting

    def refresh(self, now: datetime, *, days: int = 1) -> None:
        """Sign that what is published is fresh, for ``days``: the daily job. Raises as ``refresh`` there."""
        self.publication.refresh(self.automatic(), now, timestamp_days=days)

    def discard(self, role: str) -> None:
        """Give a draft up. Raises ``GatewayRefusal`` ``draft-missing``."""
        self.publication.discard(role)
        self._proposals.drop([role])

    def drafts(self) -> list[DraftStatus]:
        """Return what every draft still needs."""
        found = []
        for role, draft in self.publication.drafts().items():
            proposal = self._proposals.get(role)
            until = None if proposal is None else proposal.until(self.cooling_off)
            found.append(
                DraftStatus(
                    role=role,
                    version=draft.version,
                    progress=self.publication.progress(role),
                    proposal=proposal if proposal is not None and proposal.digest == draft.digest else None,
                    until=until,
                )
            )
        return found

    def automatic(self) -> HolderKeys:
        """Return the automatic key. Raises ``GatewayRefusal`` ``holder-invalid``."""
        folder = self.folder / _AUTOMATIC
        try:
            pem, passphrase = (folder / _KEYS).read_bytes(), (folder / _PASSPHRASE).read_bytes()
        except OSError:
            raise GatewayRefusal("holder-invalid", detail="automatic key") from None
        return HolderKeys.from_pem(_AUTOMATIC, pem, passphrase)
