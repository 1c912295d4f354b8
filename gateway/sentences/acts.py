"""What is said about officers, their passkeys and their acts (docs/human-acts.md), with the source."""

from collections.abc import Mapping
from types import MappingProxyType

ACTS: Mapping[str, str] = MappingProxyType(
    {
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
        "human-unverified": "The passkey did not ask for finger, face or PIN; sign with one that does. "
        "(WebAuthn 7.2)",
    }
)
