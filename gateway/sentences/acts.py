"""What is said about officers, their passkeys and their acts (docs/human-acts.md), with the source."""

from collections.abc import Mapping
from types import MappingProxyType

ACTS: Mapping[str, str] = MappingProxyType(
    {
        "act-outdated": "The thread moved on since this act was prepared; read what is new, then prepare it "
        "anew.",
        "act-over": "This act was signed, withdrawn or ended already; look at the case, and prepare it anew "
        "if needed.",
        "act-unknown": "No prepared act is called so; look at `rogatory act list`.",
        "act-unsigned": "An act ended because nobody signed it in time; look at the case, prepare it anew.",
        "credential-unknown": "No passkey begins like this, or several do: look at `rogatory officer list`.",
        "duty-page-none": "Passkeys belong to the name of the duty page, and there is none yet; run "
        "`rogatory duty setup` first.",
        "export-unreadable": "This folder holds no exported case, or a file of it is missing; ask for it "
        "again.",
        "human-authority": "Another authority than the author says whose passkey this is; ring the author "
        "up. (UNTOC 18(14), Budapest 25(3))",
        "human-credential": "This passkey is not known here, or not the one that is stated; sign with the "
        "right one. (WebAuthn 7.2)",
        "human-differs": "Form, message and statement do not name one officer; have it prepared and signed "
        "anew. (UNTOC 18(14))",
        "human-digest": "The passkey signed something else, or this was used before; sign what is shown "
        "now. (UNTOC 18(14), WebAuthn 7.2)",
        "human-expired": "The passkey was not in force when this was made; make another, confirmed by a "
        "second person. (UNTOC 18(14))",
        "human-form": "What is to prove the officer's act is missing, too long or not in its form; have it "
        "signed anew. (WebAuthn 7.2)",
        "human-key": "No key in force of the author vouches for this officer; refresh the directory, then "
        "ring the author up. (UNTOC 18(14), Budapest 25(3))",
        "human-origin": "The passkey was used on another page than the duty page; open the duty page "
        "itself. (WebAuthn 7.2)",
        "human-role": "An approver's act was signed by an officer who is none; have an approver sign it. "
        "(UNTOC 18(14))",
        "human-signature": "The passkey's signature does not verify; sign again, and replace the passkey if "
        "it goes on. (WebAuthn 7.2)",
        "human-statement": "The author's statement about the officer does not verify; ring the author up. "
        "(UNTOC 18(14), Budapest 25(3))",
        "human-suspended": "This officer or passkey was suspended or not confirmed; another officer signs. "
        "(UNTOC 18(14))",
        "human-unverified": "The passkey did not ask for finger, face or PIN; sign with one that does. "
        "(WebAuthn 7.2)",
        "officer-exists": "An officer in force has this pseudonym; choose another, or use `rogatory officer "
        "link`.",
        "officer-invalid": "This cannot be an officer; correct what is named.",
        "officer-not-ready": "This officer has no confirmed passkey; name one who has: `rogatory officer "
        "list`.",
        "officer-nothing-to-confirm": "No passkey of this officer waits for a second person.",
        "officer-role": "An auditor moves nothing; another officer acts.",
        "officer-unconfirmed": "A passkey waits for a second person; have the officer read out its words, "
        "then `rogatory officer confirm`.",
        "officer-unknown": "No officer has this pseudonym; look at `rogatory officer list`.",
        "officer-words-differ": "No passkey of this officer that waits has these words; nothing was "
        "confirmed. Have them read again; if it stays so, somebody else made the one that waits: `rogatory "
        "officer end-passkey`, then a new link, handed over in person.",
        "officer-words-needed": "Nothing is confirmed without the words that the officer reads from the "
        "phone: give them with --words.",
        "passkey-ending": "A passkey ends within a month; its officer makes another: see `rogatory officer "
        "link`.",
        "passkey-needed": "Officers here have passkeys, so nobody's word alone stands for the authority; "
        "name one who signs: `rogatory officer list`.",
        "setup-link-invalid": "This link was used, or its time is over; ask for another one.",
    }
)
