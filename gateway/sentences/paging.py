"""What is said about pages, alarm paths and the roster (docs/duty-roster.md)."""

from collections.abc import Mapping
from types import MappingProxyType

PAGING: Mapping[str, str] = MappingProxyType(
    {
        "alarm-no-path": "Nobody can be called: no officer has an alarm path. Add one now: rogatory alarm "
        "add OFFICER.",
        "alarm-path-invalid": "This is no mailbox, or no address that a webhook may go to; see "
        "docs/duty-roster.md.",
        "alarm-path-unknown": "No alarm path has this identifier; look at `rogatory alarm list`.",
        "alarm-silent": "A test of an alarm path was not answered: call the officer, then put the path "
        "right: rogatory alarm list.",
        "no-one-on-duty": "The roster names nobody for now; enter a turn or a cover: rogatory roster show.",
        "page-code-old": "This code is older than a day; the next notice brings another.",
        "page-code-unknown": "No notice carried this code; type it as it stands there.",
        "page-code-used": "This code has been used; nothing was changed.",
        "page-unknown": "There is no such page; look at `rogatory page list`.",
        "roster-invalid": "This cannot stand in the roster; correct what is named.",
        "roster-twice": "This very turn stands in the roster already; nothing was entered.",
        "roster-unknown": "No turn or cover has this identifier; look at `rogatory roster show`.",
    }
)
