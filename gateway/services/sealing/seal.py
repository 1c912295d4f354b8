"""Sealing: from a form and its documents to blobs, manifest and envelope, in one pass over each document.

Documents first, then the form, part 0, the envelope (docs/bundle.md section 6). Plaintext is read once:
digest, encryption and the digest of the ciphertext happen on the way into the blob store. Nothing here is
durable together; ``submit`` stores the result in its transaction, and a crash before that leaves only
unreferenced blobs.
"""

import io
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Protocol

from crypto import strictjson
from crypto.bundle import Envelope, ManifestPart, PartRef, encode_manifest, seal_manifest, unsigned_envelope
from crypto.keys import PublicKey
from crypto.parts import SealedPart, padme, seal_bytes, seal_part, sealed_size
from gateway.model.manifest import FORM_ROLE, ThreadContext, manifest_fields
from gateway.services.lanes import working_for
from gateway.services.sealing.bulk import APART_BYTES, Bulk, BulkGone, descriptor
from gateway.storage.blobs import BlobRef, Blobs
from gateway.storage.disk import in_thread

#: How long a bundle may be delivered: far beyond the retry horizon, short enough to be forgotten.
LIFE = timedelta(days=60)

#: The same where a person carries it on a medium.
CARRIER_LIFE = timedelta(days=180)

Progress = Callable[[int], None]


class OpenFile(Protocol):
    """A binary file that was opened for reading; any of the standard library's will do."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...

    def __enter__(self) -> "OpenFile": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document as it is handed in. ``open`` gives a new reader from its start.

    Attributes:
        attachment_id, role, media, lang, of: As the form lists it; ``of`` is a part number.
        name: File name as given; never used as a path.
        size: Bytes it holds.
    """

    attachment_id: str
    role: str
    name: str = field(repr=False)
    media: str
    lang: str | None
    of: int | None
    size: int
    open: Callable[[], OpenFile] = field(repr=False)

    @classmethod
    def listed(
        cls, row: Mapping[str, Any], size: int, opened: Callable[[], OpenFile] = lambda: io.BytesIO()
    ) -> "Document":
        """Return a document as a form's ``attachments`` row lists it; sealed already, it is not opened."""
        return cls(
            attachment_id=row["attachment_id"],
            role=row["role"],
            name=row["filename"],
            media=row["media_type"],
            lang=row.get("language"),
            of=None,
            size=size,
            open=opened,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBundle:
    """A sealed bundle whose parts are in the blob store; the content key is secret."""

    envelope: Envelope
    refs: Sequence[BlobRef] = field(repr=False)
    content_key: bytes = field(repr=False)


async def seal_documents(
    blobs: Blobs,
    *,
    bid: str,
    content_key: bytes,
    documents: Sequence[Document],
    progress: Progress | None,
    lane: str,
    bulk: Bulk | None = None,
) -> list[tuple[SealedPart, BlobRef]]:
    """Seal every document into the blob store, as parts 2 and up; large ones apart from this process.

    Raises ``ValueError`` if a document does not have the size it was announced with.
    """
    sealed: list[tuple[SealedPart, BlobRef]] = []
    if not documents:
        return sealed
    with working_for(lane):
        for n, document in enumerate(documents, start=2):
            part = None
            if bulk is not None and document.size >= APART_BYTES:
                part = await _seal_apart(blobs, bulk, bid, content_key, n, document, lane, progress)
            if part is None:
                turn = nullcontext() if bulk is None else bulk.in_threads.passing(lane)
                async with turn:
                    part = await _seal_one(blobs, bid, content_key, n, document.open, document.size, progress)
            sealed.append(part)
    return sealed


async def _seal_apart(
    blobs: Blobs,
    bulk: Bulk,
    bid: str,
    content_key: bytes,
    n: int,
    document: Document,
    lane: str,
    progress: Progress | None,
) -> tuple[SealedPart, BlobRef] | None:
    """Seal a large file in another process; ``None`` where that cannot be done: then it is done here."""
    spool = blobs.sink(sealed_size(padme(document.size)))
    try:
        with document.open() as source:
            part = await bulk.seal(
                descriptor(source),
                spool.lend(),
                lane=lane,
                content_key=content_key,
                bid=bid,
                n=n,
                plain_size=document.size,
                progress=progress,
            )
        spool.returned(part.size)
    except BulkGone:
        spool.close(remove=True)
        return None
    except BaseException:
        spool.close(remove=True)
        raise
    return part, await blobs.keep(spool, part.sha256, part.size)


async def _seal_one(
    blobs: Blobs,
    bid: str,
    content_key: bytes,
    n: int,
    opened: Callable[[], OpenFile],
    size: int,
    progress: Progress | None,
) -> tuple[SealedPart, BlobRef]:
    if sealed_size(padme(size)) < blobs.inline_limit_bytes:
        sink = io.BytesIO()
        with opened() as source:
            part = seal_part(source, sink, bk=content_key, bid=bid, n=n, plain_size=size, progress=progress)
        return part, BlobRef(sha256=part.sha256, size_bytes=part.size, data=sink.getvalue())
    spool = blobs.sink(sealed_size(padme(size)))

    def work() -> SealedPart:
        with opened() as source:
            return seal_part(source, spool, bk=content_key, bid=bid, n=n, plain_size=size, progress=progress)

    try:
        part = await in_thread(work)
    except BaseException:
        spool.close(remove=True)
        raise
    return part, await blobs.keep(spool, part.sha256, part.size)


async def seal_bundle(
    blobs: Blobs,
    *,
    form: Mapping[str, Any],
    form_bytes: bytes,
    documents: Sequence[Document],
    sealed: Sequence[tuple[SealedPart, BlobRef]],
    content_key: bytes,
    signing_key: PublicKey,
    sign: Callable[[bytes], Awaitable[bytes]],
    recipient: tuple[str, PublicKey],
    sender: str,
    bid: str,
    lane: str,
    human: Mapping[str, Any] | None,
    context: ThreadContext | None,
    now: datetime,
    life: timedelta = LIFE,
) -> SealedBundle:
    """Seal form and manifest over documents that are sealed already, and sign the envelope for ``life``."""
    form_part, form_ref = await _seal_form(blobs, bid, content_key, form_bytes)
    parts = [_form_part(form, form_part)] + [
        _document_part(document, part) for document, (part, _) in zip(documents, sealed, strict=True)
    ]
    created = now.replace(microsecond=0)
    fields = manifest_fields(
        form, salt=secrets.token_bytes(32), created=created, parts=parts, human=human, context=context
    )
    raw = encode_manifest(**fields)
    part0, zero = seal_manifest(raw, content_key, bid)
    zero_ref = await _keep(blobs, part0, zero)
    refs = [zero_ref, form_ref, *(ref for _, ref in sealed)]
    unsigned = unsigned_envelope(
        signing_key=signing_key,
        sender=sender,
        bid=bid,
        rev=0,
        created=created,
        expires=created + life,
        lane=lane,
        bk=content_key,
        recipients=[recipient],
        manifest_sha256=zero.plain_sha256,
        parts=[PartRef(n, ref.size_bytes, ref.sha256) for n, ref in enumerate(refs)],
    )
    envelope = unsigned.signed(await sign(unsigned.signing_input))
    return SealedBundle(envelope=envelope, refs=refs, content_key=content_key)


async def _seal_form(
    blobs: Blobs, bid: str, content_key: bytes, form_bytes: bytes
) -> tuple[SealedPart, BlobRef]:
    """Seal the form, as part 1; one that would be long work goes where documents go."""
    size = len(form_bytes)
    if size >= blobs.inline_limit_bytes:
        return await _seal_one(blobs, bid, content_key, 1, lambda: io.BytesIO(form_bytes), size, None)
    data, part = seal_bytes(form_bytes, bk=content_key, bid=bid, n=1)
    return part, await _keep(blobs, data, part)


async def _keep(blobs: Blobs, data: bytes, part: SealedPart) -> BlobRef:
    """Keep what is sealed in memory already; beyond the inline limit it becomes a file."""
    if len(data) < blobs.inline_limit_bytes:
        return BlobRef(sha256=part.sha256, size_bytes=part.size, data=data)
    writer = blobs.writer(len(data), hashing=False)
    await writer.write(data)
    return await writer.finish(part.sha256, part.size)


def _form_part(form: Mapping[str, Any], part: SealedPart) -> ManifestPart:
    return ManifestPart(
        n=1,
        role=FORM_ROLE,
        attachment_id=None,
        name="request.json" if "request_kind" in form else "message.json",
        media="application/json",
        size=part.plain_size,
        sha256=part.plain_sha256,
        lang=form.get("language"),
        of=None,
        pad=True,
    )


def _document_part(document: Document, part: SealedPart) -> ManifestPart:
    return ManifestPart(
        n=part.n,
        role=document.role,
        attachment_id=document.attachment_id,
        name=document.name,
        media=document.media,
        size=part.plain_size,
        sha256=part.plain_sha256,
        lang=document.lang,
        of=document.of,
        pad=True,
    )


def encode_form(form: Mapping[str, Any]) -> bytes:
    """Return a form that was changed here as the bytes that are sealed."""
    return strictjson.dumps(form)
