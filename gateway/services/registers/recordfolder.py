"""A folder of records on their way to be signed: what is said of each State and authority, and by whom.

``states/<cc>/`` holds the files as a network publishes them; ``sources/<cc>/`` says for every value taken
from a register where it comes from; ``decisions.jsonl`` who decided what, for good. Nothing here is
trusted by a gateway: it becomes so when the State's holders sign it. A damaged file stops everything.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from crypto import strictjson
from crypto.errors import Refusal
from gateway.errors import GatewayRefusal
from gateway.model.authority import is_authority_id
from gateway.services.durablefile import write_durably
from gateway.services.forms import FormProblem, check_form

STATE_FILE: Final = "_state.json"
REQUIREMENTS_ENDING: Final = ".requirements.json"
_FILE_MAX_BYTES: Final = 1024 * 1024
_MAX_FILES: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a folder of records holds, parsed.

    Attributes:
        states: Two-letter code → State record.
        authorities: Identifier → authority record.
        requirements: Identifier → published requirements, where there are any.
        sources: State code or identifier → what is known of where its values come from.
    """

    states: Mapping[str, Mapping[str, Any]] = field(repr=False)
    authorities: Mapping[str, Mapping[str, Any]] = field(repr=False)
    requirements: Mapping[str, Mapping[str, Any]] = field(repr=False)
    sources: Mapping[str, Mapping[str, Any]] = field(repr=False)


class RecordFolder:
    """One folder of records; every write is durable when it returns."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        states: Sequence[Mapping[str, Any]],
        authorities: Sequence[Mapping[str, Any]],
        requirements: Mapping[str, Mapping[str, Any]],
    ) -> "RecordFolder":
        """Make a folder from records.

        Raises ``GatewayRefusal`` ``folder-not-empty``, or ``records-invalid`` naming the record that does
        not fit; nothing is written then.
        """
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise GatewayRefusal("folder-not-empty")
        for row in states:
            _refuse_problems(state_problems(row), str(row.get("state")))
        for row in authorities:
            _refuse_problems(authority_problems(row), str(row.get("authority_id")))
        folder = cls(root)
        for row in states:
            folder.write(state_path(row["state"]), row)
        for row in authorities:
            folder.write(authority_path(row["authority_id"]), row)
        for aid, row in requirements.items():
            folder.write(requirements_path(aid), row)
        folder.append_decision({"made": "records"})
        return folder

    def read(self) -> Records:
        """Return everything. Raises ``GatewayRefusal`` ``records-invalid`` naming the first bad file."""
        base = self.root / "states"
        if not base.is_dir():
            _refuse("states", "There is no folder of this name; make one with `rogatory registers start`.")
        states: dict[str, Any] = {}
        authorities: dict[str, Any] = {}
        requirements: dict[str, Any] = {}
        sources: dict[str, Any] = {}
        paths = sorted(base.glob("*/*.json"))
        if len(paths) > _MAX_FILES:
            _refuse("states", f"It has more than {_MAX_FILES} files.")
        for path in paths:
            row = self._load(path)
            shown = str(path.relative_to(self.root))
            if path.name == STATE_FILE:
                _refuse_problems(state_problems(row), shown)
                name, right, into = row["state"], state_path(row["state"]), states
            elif path.name.endswith(REQUIREMENTS_ENDING):
                _refuse_problems(check_form(row, "requirements"), shown)
                name, into = row["authority_id"], requirements
                right = requirements_path(name)
            else:
                _refuse_problems(authority_problems(row), shown)
                name, right, into = row["authority_id"], authority_path(row["authority_id"]), authorities
            if self.root / right != path:
                _refuse(shown, "The file is not named after what it holds.")
            into[name] = row
        for path in sorted((self.root / "sources").glob("*/*.json")):
            row = self._load(path)
            sources[str(row.get("target"))] = row
        return Records(states=states, authorities=authorities, requirements=requirements, sources=sources)

    def _load(self, path: Path) -> dict[str, Any]:
        try:
            if path.is_symlink():
                _refuse(str(path.relative_to(self.root)), "It is a link.")
            return dict(strictjson.loads_object(path.read_bytes(), max_bytes=_FILE_MAX_BYTES))
        except Refusal as refusal:
            _refuse(str(path.relative_to(self.root)), f"It is no JSON object ({refusal.detail}).")

    def write(self, path: str, row: Mapping[str, Any]) -> None:
        """Write one file of the folder."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(row, ensure_ascii=False, indent=1) + "\n"
        write_durably(place, text.encode(), mode=0o644)

    def put_proposal(self, path: Path, data: bytes, *, at: str) -> None:
        """Write a proposal and note its digest: only what was made here, unchanged, can be decided on."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data, mode=0o644)
        self.append_decision({"at": at, "proposed": hashlib.sha256(data).hexdigest()})

    def was_proposed(self, data: bytes) -> bool:
        """Say whether a proposal was made here and is unchanged."""
        digest = hashlib.sha256(data).hexdigest()
        return any(row.get("proposed") == digest for row in self.decisions())

    def append_decision(self, row: Mapping[str, Any]) -> None:
        """Add a line to the decisions; earlier lines are never touched."""
        place = self.root / "decisions.jsonl"
        place.parent.mkdir(parents=True, exist_ok=True)
        # Small and whole: what was there is written again with the new line, or stays as it was.
        before = place.read_bytes() if place.exists() else b""
        write_durably(place, before + strictjson.dumps(dict(row)) + b"\n", mode=0o644)

    def decisions(self) -> tuple[Mapping[str, Any], ...]:
        """Return what was decided, oldest first."""
        place = self.root / "decisions.jsonl"
        if not place.exists():
            return ()
        try:
            return tuple(strictjson.loads_object(line) for line in place.read_bytes().splitlines())
        except Refusal:
            _refuse("decisions.jsonl", "A line is no JSON object.")


def state_path(state: str) -> str:
    """Return where a State's record lies in the folder."""
    return f"states/{state.lower()}/{STATE_FILE}"


def authority_path(authority_id: str) -> str:
    """Return where an authority's record lies in the folder. Raises ``records-invalid`` for no identifier."""
    return f"states/{_folder_of(authority_id)}/{authority_id}.json"


def requirements_path(authority_id: str) -> str:
    """Return where its published requirements lie. Raises ``records-invalid`` for no identifier."""
    return f"states/{_folder_of(authority_id)}/{authority_id}{REQUIREMENTS_ENDING}"


def sources_path(target: str) -> str:
    """Return where the sources of a State's or an authority's values lie."""
    return f"sources/{target[:2].lower()}/{'_state' if len(target) == 2 else target}.json"


def state_problems(row: object) -> tuple[FormProblem, ...]:
    """Return what keeps a State record from fitting the directory schema."""
    return check_form({**_FRAME, "states": [row], "authorities": []}, "directory")


def authority_problems(row: object) -> tuple[FormProblem, ...]:
    """Return what keeps an authority record from fitting the directory schema."""
    return check_form({**_FRAME, "states": [], "authorities": [row]}, "directory")


#: The schema speaks of whole directories; a single record stands in an empty one.
_FRAME: Final[Mapping[str, Any]] = {
    "schema_version": "1.0",
    "kind": "competent_authority_directory",
    "issue": "record",
    "network": "real",
}


def _folder_of(authority_id: str) -> str:
    if not is_authority_id(authority_id):
        _refuse("authority_id", "It is not like ke-ag: the State's two letters, then words.")
    return authority_id[:2]


def _refuse_problems(problems: Sequence[FormProblem], where: str) -> None:
    if problems:
        raise GatewayRefusal(
            "records-invalid",
            field=where,
            items=[{"path": problem.path, "sentence": problem.sentence} for problem in problems[:10]],
        )


def _refuse(where: str, sentence: str) -> NoReturn:
    raise GatewayRefusal("records-invalid", field=where, items=[{"sentence": sentence}])
