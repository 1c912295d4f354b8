"""The mail that S/MIME protects, under one name: composed with its headers inside, read only when signed.

Out: one text/plain letter and its attachments, header-protected (RFC 9788), signed, then encrypted;
nothing about the case stands outside. In: only what one signer of the directory signed, in plain text.
Says nothing about what a letter means: its words, codes and reports are read elsewhere.
"""

from gateway.services.smime.base64lines import OutgoingFile
from gateway.services.smime.entityform import Correspondent, Enclosure, Letter, OpenedLetter
from gateway.services.smime.opening import open_letter
from gateway.services.smime.sealing import OUTER_SUBJECT, SealedLetter, seal_letter

__all__ = [
    "OUTER_SUBJECT",
    "Correspondent",
    "Enclosure",
    "Letter",
    "OpenedLetter",
    "OutgoingFile",
    "SealedLetter",
    "open_letter",
    "seal_letter",
]
