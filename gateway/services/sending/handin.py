"""What an officer hands in: a form that can be read and fits its schema, and the documents it lists.

Every document is named safely, listed once and the very one the form describes; nothing here seals or keeps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from unicodedata import normalize

from crypto import strictjson
from crypto.errors import Refusal
from gateway.errors import GatewayRefusal
from gateway.model.manifest import FORM_MAX_BYTES
from gateway.model.names import UnsafeName, check_name
from gateway.services.forms import check_form
from gateway.services.sealing.seal import Document, OpenFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that is handed in with a form. Only its base name counts; ``open`` gives a new reader."""

    filename: str = field(repr=False)
    open: Callable[[], OpenFile] = field(repr=False)
    size: int


def read_form(form_bytes: bytes) -> Mapping[str, Any]:
    """Return a form as strict JSON gives it. Raises ``GatewayRefusal`` ``form-unreadable``."""
    try:
        form = strictjson.loads(form_bytes, max_bytes=FORM_MAX_BYTES)
    except Refusal as refusal:
        raise GatewayRefusal("form-unreadable", detail=str(refusal)) from None
    if not isinstance(form, dict):
        raise GatewayRefusal("form-unreadable", detail="no object")
    return form


def refuse_invalid(form: Mapping[str, Any], kind: Literal["request", "message"]) -> None:
    """Raise ``GatewayRefusal`` ``form-invalid``, with what to change, for a form its schema refuses."""
    problems = check_form(form, kind)
    if problems:
        raise GatewayRefusal(
            "form-invalid",
            field=problems[0].path,
            items=[{"field": p.path, "sentence": p.sentence} for p in problems[:20]],
        )


def match_documents(form: Mapping[str, Any], attachments: Sequence[Attachment]) -> list[Document]:
    """Return the documents in the form's order, each with its file.

    Raises ``GatewayRefusal``: ``name-unsafe``, ``attachment-twice``, ``-missing``, ``-unlisted``, ...
    """
    # Systems spell one name in different normal forms, and the form may come from another than the files.
    by_name: dict[str, Attachment] = {}
    for attachment in attachments:
        refuse_unsafe(attachment.filename)
        if by_name.setdefault(normalize("NFC", attachment.filename), attachment) is not attachment:
            raise GatewayRefusal("attachment-twice")
    listed = form.get("attachments") or []
    names = [normalize("NFC", row["filename"]) for row in listed]
    if len(set(names)) != len(names) or len({row["attachment_id"] for row in listed}) != len(listed):
        raise GatewayRefusal("attachment-twice", field="attachments")
    documents = []
    for i, row in enumerate(listed):
        refuse_unsafe(row["filename"], field=f"attachments/{i}/filename")
        held = by_name.pop(names[i], None)
        if held is None:
            where = f"attachments/{i}"
            items = [{"field": where, "sentence": f"Attach number {i + 1} of the form's attachments."}]
            raise GatewayRefusal("attachment-missing", field=where, items=items)
        if held.size != row["size_bytes"]:
            raise _mismatch(i)
        documents.append(Document.listed(row, held.size, held.open))
    if by_name:
        raise GatewayRefusal("attachment-unlisted")
    return documents


def refuse_unsafe(name: Any, *, field: str | None = None) -> None:
    """Raise ``GatewayRefusal`` ``name-unsafe`` for a file name that may not travel; other types pass."""
    try:
        if isinstance(name, str):
            check_name(name)
    except UnsafeName as unsafe:
        items = [{"field": field or "", "sentence": str(unsafe)}]
        raise GatewayRefusal("name-unsafe", field=field, items=items) from None


def refuse_mismatch(form: Mapping[str, Any], documents: Sequence[Document], digests: Sequence[str]) -> None:
    """V22: every document is the one the form describes, else ``GatewayRefusal`` ``attachment-mismatch``."""
    listed = {row["attachment_id"]: (i, row["sha256"]) for i, row in enumerate(form.get("attachments") or [])}
    for document, digest in zip(documents, digests, strict=True):
        i, expected = listed[document.attachment_id]
        if digest != expected:
            raise _mismatch(i)


def _mismatch(i: int) -> GatewayRefusal:
    # By its place in the form: names of files tell of the case, and refusals are logged and shown.
    where = f"attachments/{i}"
    return GatewayRefusal(
        "attachment-mismatch",
        field=where,
        items=[
            {
                "code": "V22",
                "source": "UNTOC 18(14)",
                "field": where,
                "sentence": f"Size and SHA-256 of attachment number {i + 1} must be those the form states.",
            }
        ],
    )
