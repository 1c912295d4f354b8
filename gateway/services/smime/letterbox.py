"""Which letter of ours a mail is about: by the code that stood inside it, or by the identifier it answers.

The code proves that somebody opened the letter; an identifier proves nothing, and only helps to file what was
signed. Only letters to the authority in question are looked at, the newest ones, so that no mail makes much
work.
"""

import hmac
from collections.abc import Sequence

from crypto.errors import Refusal
from gateway.model.mail_plan import MOST_MAILS
from gateway.services.keys.vault import Vault
from gateway.services.quotedcode import codes_in
from gateway.services.smime.dispatch import code_of, letter_message_id
from gateway.storage import letters
from gateway.storage.database import Database
from gateway.storage.letters import LetterRow

#: Letters to one authority that are looked at, newest first.
MOST_LETTERS = 1000


class Letterbox:
    """The letters of one gateway."""

    def __init__(self, *, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def to(self, authority_id: str) -> list[LetterRow]:
        """Return the letters to an authority, newest first."""
        return await self._database.read(lambda c: letters.letters_to(c, authority_id, limit=MOST_LETTERS))

    def quoted(self, sent: Sequence[LetterRow], text: str) -> list[LetterRow]:
        """Return the letters whose codes a text quotes; every code is compared in constant time."""
        found = [each.encode() for each in codes_in(text)]
        if not found:
            return []
        return [row for row in sent if self._has(row, found)]

    def _has(self, row: LetterRow, found: Sequence[bytes]) -> bool:
        try:
            code = code_of(row, self._vault).encode()
        except Refusal:
            return False
        return any(hmac.compare_digest(each, code) for each in found)


def answers(sent: Sequence[LetterRow], references: Sequence[str], mailbox: str) -> list[LetterRow]:
    """Return the letters that a mail says it answers, by their identifiers."""
    named = {each.strip().lower() for each in references}
    if not named:
        return []
    return [
        row
        for row in sent
        if any(
            letter_message_id(row.sender, row.bid, n, mailbox).lower() in named
            for n in range(1, MOST_MAILS + 1)
        )
    ]


def looks_like_a_code(text: str) -> bool:
    """Tell whether a text quotes something that was meant as a code: four words of four letters are none."""
    return any(any(letter.isdigit() for letter in each) for each in codes_in(text))
