"""What is said about setting up the duty page (docs/duty-page.md)."""

from collections.abc import Mapping
from types import MappingProxyType

DUTY: Mapping[str, str] = MappingProxyType(
    {
        "duty-certificate-other": "The duty page has a certificate from elsewhere; renew it there, or name "
        "other files in `[duty]`.",
        "duty-name-invalid": "This cannot be the page's name; name a host as browsers open it, such as "
        "duty.authority.example, and where to listen.",
        "duty-set": "The settings say already where the duty page is; change `[duty]` there. Under another "
        "name every officer needs new passkeys.",
        "duty-unset": "The settings name no duty page; run `rogatory duty setup` first.",
        "page-foreign": "This did not come from a page of this gateway; load the page again.",
        "signed-out": "Nobody is signed in; sign in again.",
    }
)
