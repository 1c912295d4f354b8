"""Every way in which the gateway says no, with a code for programs and a sentence for people.

::

    GatewayError                    code, retryable, public_detail
    ├── GatewayRefusal              something from outside is not acceptable; nothing was changed
    └── StorageError                the database or the disk
        ├── StorageUnavailable      away, locked, timed out; an answer to COMMIT never came
        │   └── StorageFull         no space left
        └── StorageDamaged          the stored bytes contradict themselves; a person must act

The sentence says what to do. Codes of the protocol and their sentences stand in ``crypto.errors``;
codes that only people and programs of the own authority see stand here, those of some areas in
``gateway.sentences``. The log gets the cause.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from crypto.errors import CODES, Refusal, outward_code
from gateway.sentences.acts import ACTS
from gateway.sentences.clock import CLOCK
from gateway.sentences.duty import DUTY
from gateway.sentences.paging import PAGING
from gateway.sentences.preservation import PRESERVATION
from gateway.sentences.trust import TRUST

#: Local codes and what a person does about them.
LOCAL_CODES: Mapping[str, str] = MappingProxyType(
    {
        "already-acknowledged": "This request has been acknowledged already; nothing was sent again.",
        "ambiguous-reference": "Several requests have this reference; name the bundle of one instead.",
        "attachment-mismatch": "A document is not the one the form describes (V22); correct size and digest.",
        "attachment-missing": "The form lists a document that was not attached; attach it and submit again.",
        "attachment-twice": "Two attached files have the same name; rename one and correct the form.",
        "attachment-unlisted": "A file was attached that the form does not list; list it or leave it out.",
        "attachment-unreadable": "The gateway's user cannot read a document; correct its rights or its path.",
        "authority-unverifiable": "Directories contradict each other about this authority's keys; ring it "
        "up, then say which one is right: rogatory directory decide.",
        "bundle-unreadable": "The gateway's user cannot read this; name a network's bundle, or its folder.",
        "carrier-awaited": "A medium is under way; when no receipt comes back, ask the courier, then export "
        "it again.",
        "carrier-needed": "Write it to a medium with `rogatory carrier export`, and hand that to a courier.",
        "carrier-not-listed": "The authority's record lists no medium by carrier; use a channel it lists.",
        "channel-none": "The directory lists no channel this gateway can use for the addressee and the lane.",
        "consent-needed": "What is in use brings no receipt, and the next channel protects the content less; "
        "see `rogatory status`, then consent or refuse with `rogatory consent`.",
        "consent-not-needed": "No consent is possible here: the addressee's record does not allow this "
        "channel for the lane, it protects as well as the first one, or the bundle is no longer under way.",
        "content-erased": "The content of this bundle was erased; its receipts and log entries remain.",
        "contents-missing": "Mandatory contents are missing; complete the request as the articles say.",
        "cooling-off": "This change waits until its time, so that everybody sees it coming; issue it then.",
        "cooling-off-short": "In a real network changes wait for at least an hour before they count.",
        "database-missing": "The database of this home is not where its settings say, or is an empty file. "
        "See whether its disk is mounted, or put back the newest copy; nothing was made in its place.",
        "directory-damaged": "The directory is damaged or incomplete; the last good one stays in use. "
        "Ask its secretariat if it goes on.",
        "directory-expired": "The directory was not renewed in time; the last good one stays in "
        "use. Check this machine's clock, then ask its secretariat.",
        "directory-mixed": "The network's directory is mixed from several issues; the last good one stays in "
        "use. Try again; ask its secretariat if it goes on.",
        "directory-other-state": "This is signed for another State than its own; a State speaks for its own "
        "authorities only. Tell the secretariat.",
        "directory-rollback": "The network's directory is older than the one known here; the last good one "
        "stays in use. Tell its secretariat: somebody may be replaying it.",
        "directory-too-large": "The directory is larger than allowed; the last good one stays in use. "
        "Ask its secretariat.",
        "directory-unreachable": "The network's server cannot be asked; look at its address in the settings "
        "and at the own network. The last good directory stays in use.",
        "directory-unsigned": "Too few of its holders have signed this directory; collect the missing "
        "signatures, or tell the secretariat if it came from its server.",
        "directory-unverifiable": "The directory does not verify; restore it from a copy or enrol again.",
        "directory-wrong-network": "This directory is of another network than the one pinned here; check its "
        "address and its root.",
        "draft-invalid": "This draft is damaged, older than what is published, or lists other files than it "
        "carries; ask for it again.",
        "draft-missing": "Nothing is drafted here under this name; look at the list of drafts.",
        "drop-crowded": "Too many folders wait for a passkey; have them signed or given up (`rogatory act "
        "list`), then drop it again.",
        "drop-form": "This folder holds no form.json within the limits; put one in and drop it again.",
        "drop-lost": "Its result.json was changed or taken away while it waited, so nobody can say which act "
        "it is; nothing was undone by that: look at `rogatory act list`.",
        "drop-officer": "Officers here have passkeys, so one of them signs this: put the pseudonym into "
        "human.officer of form.json (see `rogatory officer list`) and drop it again.",
        "drop-withdrawn": "The act was given up unsigned, or its officer was suspended; nothing was sent. "
        "Drop it again if it is still wanted.",
        "duplicate": "This message was submitted before; look at its status instead of sending it twice.",
        "early-stop": "The requesting authority withdraws this, in a message that came before earlier ones; "
        "read it now, and stop what it names.",
        "enrolment-conflict": "This authority is enrolled with other keys; compare the words by telephone, "
        "then enrol again with --replace.",
        "enrolment-invalid": "This is no valid enrolment file of another authority; ask it to send it again.",
        "enrolment-older": "This enrolment file is older than the one taken before; ask for the newest one.",
        "file-unusable": "This file cannot be written: name a new one, in a folder of the gateway's user.",
        "folder-not-empty": "The folder is not empty; name a new one so that nothing is overwritten.",
        "folder-unusable": "The folder is not there, or the gateway's user may not write to it.",
        "form-unreadable": "The request is not well-formed JSON within the limits; correct it.",
        "formal-route": "The formal route is another one, and this is the advance copy: send the print set "
        "by it, then confirm it with `rogatory confirm`.",
        "four-eyes": "Nobody but its proposer has signed this change; have another holder sign it as well.",
        "holder-invalid": "These are not a holder's keys, or not with this passphrase; ask the holder for "
        "the file again.",
        "holder-unknown": "This holder does not sign for that role; look who is named for it.",
        "holders-unfit": "These holders cannot sign for this role: more than half must be needed, each with "
        "keys of its own that sign for no other State.",
        "home-exists": "There is a gateway in this folder already; choose another or use that one.",
        "home-in-use": "Another process is serving this home; stop it first.",
        "home-invalid": "This folder holds no gateway; run `rogatory init` or name the right one.",
        "key-conflict": "A key in this record belongs to another authority or another use; do not trust it.",
        "key-given-back": "A key that was revoked is never trusted again; make another with `rogatory keys "
        "rotate`.",
        "key-not-in-force": "A key of ours is not in force; check the clock, then `rogatory keys list`.",
        "key-unknown": "No key of ours begins like this, or several do: look at `rogatory keys list`.",
        "keys-no-overlap": "None of the signing keys listed until now is in this record; check by telephone, "
        "then say that they were lost.",
        "keys-unreadable": "The keys cannot be read; correct the rights of their folder or restore it.",
        "mail-bounced": "A mail server says that the addressee's mailbox takes no mail; look at the address "
        "in the directory and ring the authority. Nothing proves what the server says.",
        "mail-code-wrong": "The mail quotes a code that belongs to no letter to this authority; ring it up "
        "and compare the code.",
        "mail-full": "No more mails can be set aside; look at `rogatory mail list` and discard what nobody "
        "needs. Mails wait in the mailbox meanwhile.",
        "mail-no-case": "The letter is signed, and names no letter of ours by code or as its answer; find "
        "out what it is about.",
        "mail-set-aside": "Mails came that nobody takes by themselves; look at `rogatory mail list`, act on "
        "each, then discard it.",
        "mail-task-unknown": "No open task about an unsigned reply is called so; see `rogatory status` of "
        "the request.",
        "mail-to-read": "A reply came by mail and is kept with its case; read it with `rogatory open`, then "
        "act.",
        "mail-unknown": "No mail that was set aside begins like this, or several do: look at `rogatory mail "
        "list`.",
        "mail-unsigned": "A reply quotes the right code and is not signed: ring the authority up, two of "
        "you, then `rogatory mail confirm TASK --officer A --second B`.",
        "mailbox-none": "The own record lists no channel email_smime, so there is no mailbox to make a "
        "certificate for; put the channel into the record first.",
        "medium-crowded": "There are too many files in one folder of this medium; is it the right one?",
        "medium-damaged": "This file was damaged on the way; ask its sender to export it again.",
        "medium-for-another": "This folder is for another authority; it was left alone.",
        "medium-foreign": "Something else lies where a folder or file is to be; use an empty medium.",
        "medium-full": "There is not enough room on the medium; take a larger or an empty one, then export "
        "again.",
        "medium-lost": "The medium can be read or written no more; put it in again, or take another one.",
        "medium-missing": "The list of this medium names a file that is not there; ask its sender to export "
        "again.",
        "medium-no-file": "This is a link or a device and no file; it was left alone.",
        "medium-readonly": "The medium cannot be written; open its lock, or give the gateway's user the "
        "right.",
        "medium-unfinished": "Writing this file was broken off; ask its sender to export again.",
        "medium-unknown": "This is none of our files; it was left alone.",
        "network-unknown": "No network of this name is followed; see `rogatory directory status`.",
        "no-encryption-key": "The directory lists no encryption key in force; ask the authority to renew it.",
        "no-mail-certificate": "The directory lists no S/MIME certificate in force for the addressee's "
        "mailbox; ask the authority to renew it.",
        "no-receipt": "An urgent request has no receipt in time; the gateway goes on by what it may use, "
        "and you ring the authority's duty number.",
        "not-acknowledgeable": "Only an incoming request can be acknowledged.",
        "not-contradicted": "Nothing is to be decided about this authority; see `rogatory directory show`.",
        "not-found": "Nothing here has this reference; compare it letter by letter, or look at the inbox.",
        "not-listed": "The addressee is not in the directory; enrol it first.",
        "not-own-message": "The form names another authority as its author; submit it from that one.",
        "not-proposed": "Nobody proposed this very content; propose it again, so that it is known who did.",
        "not-published": "Nothing is published for this State yet; ask its authority.",
        "not-running": "The gateway is not running; start it with `rogatory serve`.",
        "not-stale": "This network's directory is not past its end; nothing has to be allowed.",
        "notice-by-state": "A key of this use signs no notices; have your State's holders revoke it, or make "
        "another with `rogatory keys rotate`.",
        "notice-dates": "A compromise has a time since when others may have signed, not in the future; "
        "other reasons have none.",
        "overdue": "This case waits for us longer than it should; look at it and act.",
        "paper-original": "The addressee wants a paper original: send it, then confirm it with "
        "`rogatory confirm`.",
        "passphrase-short": "A passphrase has at least 12 characters; five words that do not belong together "
        "are easy to remember.",
        "publication-in-use": "Somebody else is working on this network's folder; wait until they are done.",
        "publication-invalid": "This folder holds no network to publish; name the right one or create it.",
        "receipt-contradicted": "Signed receipts of the other authority about one bundle contradict each "
        "other; all are kept and count. Export the case, and ask there which one is right.",
        "receipt-missing": "A receipt of the other authority is missing before others that came and count, "
        "and asking its gateway did not bring it; ask there for it.",
        "record-incomplete": "A new record lacks what no register says; add it by hand and accept it again.",
        "record-invalid": "The directory record does not fit the schema or is another authority's.",
        "records-invalid": "This folder holds no records, or a damaged file; correct what is named or "
        "restore it.",
        "register-columns": "The columns are not those of the mapping; correct the mapping, nothing is "
        "guessed.",
        "register-decision": "This decision cannot be taken as it stands; correct what is named.",
        "register-encoding": "It is unclear which letters the file holds; save it as UTF-8 or name its "
        "encoding.",
        "register-lookalike": "A name could be taken for another one; compare it with the register's own "
        "page.",
        "register-mapping": "The mapping cannot be used; correct what is named.",
        "register-outdated": "The records changed after these differences were shown; compare again.",
        "register-too-large": "The file is larger than what is read at once; split it by State.",
        "register-unreadable": "The file is no table that can be read without guessing; export it again.",
        "register-values": "Values in the file cannot be taken; correct the rows named, nothing was taken.",
        "requirements-invalid": "These are no published requirements of this authority; correct the file.",
        "requirements-older": "This issue is not above the one published before; give it a higher version.",
        "route-not-open": "No such route of this request waits for a confirmation; look at its status.",
        "sequence": "The counters do not follow the thread (V29); read the thread, then renew the message.",
        "settings-invalid": "The settings cannot be used; correct the file named.",
        "smime-active": "The mail has no plain text, or parts that lie elsewhere; nothing of that is opened. "
        "Ask the sender for a plain-text mail with the files attached.",
        "smime-certificate": "The signer's certificate is not in time, or not for signing mail from this "
        "mailbox; ask the authority to renew its record.",
        "smime-form": "The mail is no signed and encrypted mail in the form of S/MIME, or is larger than is "
        "read; ask the sender to send it again.",
        "smime-nested": "The mail has more layers than one signature inside one encryption; ask the sender "
        "to send it again, not forwarded or re-wrapped.",
        "smime-not-for-us": "The letter was signed for another mailbox and wrapped again for ours; tell the "
        "authority that signed it.",
        "smime-sender": "The mail says it is from somebody else than its signer; ask the authority by "
        "telephone.",
        "smime-siblings": "Something stands beside the signed letter, where anybody could have put it; ask "
        "the sender to send it again, without a mailing list or a footer on the way.",
        "smime-signer": "No authority of the directory has the certificate this is signed with; ask by "
        "telephone whose it is, and have the record renewed.",
        "smime-time": "The letter says it was signed in the future; have the sender's clock set.",
        "smime-unsigned": "The mail is not signed, so nobody knows whose it is; ask the sender to sign it.",
        "smime-weak": "The signature rests on a method that can be forged; ask the sender for SHA-256 or "
        "better.",
        "storage-full": "There is no room left on the disk; make room, the gateway goes on by itself.",
        "token-invalid": "The local token is not the right one; run the command as the gateway's user.",
        "too-large-to-carry": "No channel of the addressee takes documents of this size; nothing was sealed. "
        "Send less at once, or by a channel that is named.",
        "two-persons": "Two different persons confirm this; name the second one.",
        "unknown-code": "This message has a code that is new to this version; read it and decide by hand.",
        "way-not-listed": "The addressee's record does not list this way; send it by courier, or name one "
        "authority with --peer.",
        "wrong-network": "This enrolment is for another network; lab and real networks never mix.",
        **ACTS,
        **CLOCK,
        **DUTY,
        **PAGING,
        **PRESERVATION,
        **TRUST,
    }
)


class GatewayError(Exception):
    """The root: any expected failure. ``public_detail`` may be shown to anybody who may use the interface.

    Attributes:
        code: Stable, for programs.
        retryable: Whether the same call may succeed later without anybody changing anything.
        public_detail: One sentence without content or names that says what to do.
    """

    code: str = "internal"
    retryable: bool = False
    public_detail: str = "The gateway met a defect of its own. Look at its log."

    def __init__(
        self, public_detail: str | None = None, *, code: str | None = None, retryable: bool | None = None
    ) -> None:
        if public_detail is not None:
            self.public_detail = public_detail
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable
        super().__init__(self.code, self.public_detail)


class GatewayRefusal(GatewayError):
    """Something is not acceptable and nothing was changed.

    Attributes:
        detail: For the local log: which check, free of content.
        field: Member of the form concerned, where there is one.
        items: Further sentences, one for each thing to mend.
        offset: For ``offset``: where an upload really stands, in bytes.
    """

    def __init__(
        self,
        code: str,
        *,
        detail: str = "",
        field: str | None = None,
        items: Sequence[Mapping[str, str]] = (),
        offset: int | None = None,
    ) -> None:
        super().__init__(sentence_of(code), code=code, retryable=is_retryable(code))
        self.detail = detail
        self.field = field
        self.items = tuple(items)
        self.offset = offset


class StorageError(GatewayError):
    """The database or the blob store could not do its work."""


class StorageUnavailable(StorageError):
    """The store is away for now. What was asked may or may not have been kept; units are re-runnable."""

    code = "unavailable"
    retryable = True
    public_detail = "The storage cannot be reached just now. Try again in a moment."


class StorageFull(StorageUnavailable):
    """No space is left. Nothing was kept."""

    code = "storage-full"
    public_detail = "The storage is full. Free some space on the gateway's disk, then try again."


class StorageDamaged(StorageError):
    """Stored bytes contradict themselves; trying again cannot help."""

    code = "storage-damaged"
    public_detail = "The storage is damaged. Stop the gateway and restore it from a backup."


def sentence_of(code: str) -> str:
    """Return what a person does about a code; an unknown one is shown raw."""
    if code in LOCAL_CODES:
        return LOCAL_CODES[code]
    rule = CODES.get(code)
    return rule.sentence if rule is not None else f"The code {code} is not known here; ask its sender."


def is_retryable(code: str) -> bool:
    """Tell whether the sender of a refused bundle tries again by itself."""
    rule = CODES.get(code)
    return rule is not None and rule.action in {"retry", "refresh", "rewrap"}


def from_refusal(refusal: Refusal) -> GatewayRefusal:
    """Return the refusal of ``crypto`` as ours, with the one code a peer may see for steps 11 to 13."""
    return GatewayRefusal(outward_code(refusal.code), detail=str(refusal))


def expected(error: BaseException) -> GatewayError | None:
    """Return an expected failure as one of ours, or ``None`` for a defect."""
    if isinstance(error, Refusal):
        return from_refusal(error)
    return error if isinstance(error, GatewayError) else None
