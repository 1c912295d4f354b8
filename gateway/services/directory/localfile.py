"""The local directory: one file, signed by ourselves, with what persons put into it.

Holds the own record, the records of enrolled peers, what persons decided, and keys that were listed once.
Every change is a new issue, written whole. Decides form, place and signature; not what may be put in.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from crypto.directory import DIRECTORY_TYPE, read_statement, sign_statement, unverified_statement
from crypto.encoding import b64u, parse_wire_time, unb64u, wire_time
from crypto.errors import Refusal
from crypto.keys import X509, KeyUse
from gateway.errors import GatewayRefusal
from gateway.model.authority import parse_entry
from gateway.model.record_parts import KeyRecord
from gateway.model.states import parse_state
from gateway.services.directory.views import BILATERAL, OWN, Decision, Remembered, SourceView
from gateway.services.durablefile import write_durably
from gateway.services.keys.keyring import Keyring


class LocalFile:
    """The file of one home and what it says now. ``change`` is durable when it returns."""

    def __init__(self, *, path: Path, keyring: Keyring, payload: Mapping[str, Any]) -> None:
        self._path = path
        self._keyring = keyring
        self.payload = payload

    @classmethod
    def open(cls, path: Path, keyring: Keyring) -> "LocalFile":
        """Return the file. Raises ``GatewayRefusal`` ``directory-unverifiable`` if missing or unsigned."""
        file = cls(path=path, keyring=keyring, payload={})
        file.payload = file.read()
        return file

    def read(self) -> Mapping[str, Any]:
        """Return what the file on the disk says, verified. Raises as ``open``; nothing is changed."""
        try:
            data = self._path.read_bytes()
            kid, _ = unverified_statement(data, DIRECTORY_TYPE)
            held = self._keyring.held
            own = next(k.public for k in held if k.public.use == KeyUse.SIG and k.public.kid == kid)
            payload = read_statement(data, own, DIRECTORY_TYPE)
        except (OSError, Refusal, StopIteration):
            raise GatewayRefusal("directory-unverifiable") from None
        if payload.get("authority") != self._keyring.authority_id:
            raise GatewayRefusal("directory-unverifiable")
        return payload

    @property
    def issue(self) -> int:
        """Number of the issue in memory; grows with every change."""
        issue: int = self.payload["issue"]
        return issue

    @property
    def network(self) -> str:
        """``lab`` or ``real``."""
        network: str = self.payload["network"]
        return network

    def with_record(
        self,
        record: dict[str, Any],
        state: dict[str, Any] | None,
        requirements: dict[str, Any] | None,
        enrolled_at: datetime | None,
    ) -> dict[str, Any]:
        """Return the members that change when a record is put in or replaced, with what it publishes."""
        aid = record["authority_id"]
        rows = [r for r in self.payload["records"] if r["authority_id"] != aid]
        changed: dict[str, Any] = {"records": [*rows, record]}
        if state is not None:
            states = [s for s in self.payload["states"] if s["state"] != state["state"]]
            changed["states"] = [*states, state]
        others = {a: row for a, row in self.payload.get("requirements", {}).items() if a != aid}
        changed["requirements"] = others if requirements is None else {**others, aid: requirements}
        if enrolled_at is not None:
            changed["enrolled"] = {**self.payload.get("enrolled", {}), aid: wire_time(enrolled_at)}
        return changed

    def requirements(self, authority_id: str) -> dict[str, Any] | None:
        """Return what an authority has published by hand, ``None`` if nothing."""
        found: dict[str, Any] | None = self.payload.get("requirements", {}).get(authority_id)
        return found

    def enrolled_at(self, authority_id: str) -> datetime | None:
        """Return the date of the enrolment file taken last, by its signer's clock."""
        held = self.payload.get("enrolled", {}).get(authority_id)
        return None if held is None else parse_wire_time(held)

    def change(self, members: Mapping[str, Any], now: datetime) -> None:
        """Write the next issue with these members changed; durable when it returns."""
        payload = {**self.payload, **members, "issue": self.payload.get("issue", -1) + 1}
        signed = sign_statement(
            self._keyring.signer(KeyUse.SIG, now), {**payload, "at": wire_time(now)}, DIRECTORY_TYPE
        )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path, signed)
        self.payload = payload

    def view(self, payload: Mapping[str, Any] | None = None) -> SourceView:
        """Return the records as a source of the merged view, one that a person vouches for."""
        said = self.payload if payload is None else payload
        entries = {str(entry.authority_id): entry for entry in map(parse_entry, said["records"])}
        own = self._keyring.authority_id
        return SourceView(
            name=BILATERAL,
            entries=entries,
            states={state.state: state for state in map(parse_state, said["states"])},
            assurance={aid: OWN if aid == own else BILATERAL for aid in entries},
            requirements=said.get("requirements", {}),
            stated_at={aid: parse_wire_time(at) for aid, at in said.get("enrolled", {}).items()},
        )

    def remembered(self) -> tuple[Remembered, ...]:
        """Return the keys that were listed once."""
        return tuple(
            Remembered(authority_id=aid, key=_key(row))
            for aid, rows in self.payload.get("remembered", {}).items()
            for row in rows
        )

    def decisions(self) -> dict[str, Decision]:
        """Return what persons decided about authorities whose sources contradict each other."""
        return {
            aid: Decision(source=row["source"], against=frozenset(row["against"]))
            for aid, row in self.payload.get("decisions", {}).items()
        }

    def allowed_at(self, source: str) -> datetime | None:
        """Return when an operator last allowed the urgent lane beyond the end of a network."""
        row = self.payload.get("allowances", {}).get(source)
        return None if row is None else parse_wire_time(row)


def remembered_rows(remembered: tuple[Remembered, ...]) -> dict[str, list[dict[str, Any]]]:
    """Return the keys listed once as the file holds them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in remembered:
        key = row.key
        held = {
            "use": key.use,
            "alg": key.alg,
            "kid": key.kid,
            "cert" if key.alg == X509 else "pub": b64u(key.material),
            "nbf": wire_time(key.nbf),
            "exp": wire_time(key.exp),
            "status": key.status,
        }
        if key.revoked_at is not None:
            held["revoked_at"] = wire_time(key.revoked_at)
        if key.reason is not None:
            held["reason"] = key.reason
        if key.invalid_since is not None:
            held["invalid_since"] = wire_time(key.invalid_since)
        found.setdefault(row.authority_id, []).append(held)
    return found


def _key(row: Mapping[str, Any]) -> KeyRecord:
    def instant(name: str) -> datetime | None:
        return None if row.get(name) is None else parse_wire_time(row[name])

    return KeyRecord(
        use=row["use"],
        alg=row["alg"],
        kid=row["kid"],
        material=unb64u(row["pub"] if "pub" in row else row["cert"]),
        nbf=parse_wire_time(row["nbf"]),
        exp=parse_wire_time(row["exp"]),
        status=row["status"],
        revoked_at=instant("revoked_at"),
        reason=row.get("reason"),
        invalid_since=instant("invalid_since"),
    )
