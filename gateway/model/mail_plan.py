"""How much a mail to a person can carry, and which file goes in which of several mails. Pure.

A file inside signed and encrypted mail grows by two layers of base64: 2.6 bytes travel for one. Several mails
are numbered and each can be read by itself, so a file is never cut; more than five are no longer read in
order by anybody, and another channel is better.
"""

from collections.abc import Sequence

MOST_MAILS = 5

#: What travels for ten bytes of a file.
_GROWTH_TENTHS = 26

#: What each mail carries beside its files: letter, manifest, signatures, headers.
OVERHEAD_BYTES = 64 * 1024
#: What the first one carries as well: the form as data and for reading.
SHEET_BYTES = 512 * 1024

#: Where the addressee's record says nothing: the usual limit of mail servers.
USUAL_MESSAGE_BYTES = 10_000_000

#: Of a bundle that goes sealed by mail, in pieces (docs/mail.md section 3).
SEALED_MAIL_BYTES = 56 * 1024 * 1024


def raw_bytes(max_message_bytes: int) -> int:
    """Return how many bytes of files fit into a mail that may be this large on the way."""
    return max_message_bytes * 10 // _GROWTH_TENTHS


def plan_mails(sizes: Sequence[int], *, form_bytes: int, max_message_bytes: int) -> list[list[int]] | None:
    """Return which files go in which mail, as places in ``sizes``; ``None`` if that is not possible.

    The form goes in the first. Files stay in their order as far as they fit; the result depends on nothing
    but the arguments, so that a repeat makes the same mails.
    """
    room = raw_bytes(max_message_bytes) - OVERHEAD_BYTES
    left = [room - SHEET_BYTES - form_bytes]
    mails: list[list[int]] = [[]]
    if left[0] < 0:
        return None
    for place, size in enumerate(sizes):
        mail = next((n for n, free in enumerate(left) if size <= free), None)
        if mail is None:
            if size > room or len(mails) == MOST_MAILS:
                return None
            mail = len(mails)
            mails.append([])
            left.append(room)
        left[mail] -= size
        mails[mail].append(place)
    return mails


def most_bytes(max_message_bytes: int) -> int:
    """Return how many bytes of documents a letter can have at most, over all its mails."""
    room = raw_bytes(max_message_bytes) - OVERHEAD_BYTES
    return max(room * MOST_MAILS - SHEET_BYTES, 0)
