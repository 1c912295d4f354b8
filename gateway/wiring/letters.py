"""Letters of one gateway: what composes them, what takes the answers, and what two persons confirm.

Always made, also where no letter can leave: what was sent before mail was switched off is still answered.
"""

from collections.abc import Mapping

from adapters.base import Adapter
from adapters.smimemail import SmimeMailAdapter
from gateway.model.channels import LETTERS
from gateway.services.casework.casebook import Casebook
from gateway.services.casework.library import Library
from gateway.services.delivery.composer import Composer
from gateway.services.proofs.stamp import Stamp
from gateway.services.smime.confirm import ReplyDesk
from gateway.services.smime.dispatch import LetterDesk
from gateway.services.smime.letterbox import Letterbox
from gateway.services.smime.notices import MailNotices
from gateway.services.smime.record import Recorder
from gateway.services.smime.replies import Replies
from gateway.wiring.ground import Ground


class LetterRoom:
    """Everything about letters to people.

    Attributes:
        composers: What makes letters, by channel; none where no adapter carries whole mails.
        replies: Takes the mails of people and of their programs.
        desk: Takes the word of two persons on an unsigned reply.
    """

    def __init__(
        self,
        ground: Ground,
        *,
        adapters: Mapping[str, Adapter],
        library: Library,
        casebook: Casebook,
        stamp: Stamp,
    ) -> None:
        database, directory, clock = ground.database, ground.directory, ground.clock
        letterbox = Letterbox(database=database, vault=ground.vault)
        recorder = Recorder(blobs=ground.blobs, keyring=ground.keyring, vault=ground.vault)
        self.composers: Mapping[str, Composer] = {}
        if isinstance(adapters.get(LETTERS), SmimeMailAdapter):
            self.composers = {
                LETTERS: LetterDesk(
                    database=database,
                    library=library,
                    directory=directory,
                    keyring=ground.keyring,
                    vault=ground.vault,
                    clock=clock,
                    max_message_bytes=ground.settings.mail.max_message_bytes,
                )
            }
        self.replies = Replies(
            database=database,
            directory=directory,
            keyring=ground.keyring,
            recorder=recorder,
            casebook=casebook,
            stamp=stamp,
            letterbox=letterbox,
            notices=MailNotices(
                database=database,
                directory=directory,
                letterbox=letterbox,
                stamp=stamp,
                authority_id=ground.authority_id,
                clock=clock,
            ),
            clock=clock,
        )
        self.desk = ReplyDesk(
            database=database, recorder=recorder, casebook=casebook, stamp=stamp, clock=clock
        )
