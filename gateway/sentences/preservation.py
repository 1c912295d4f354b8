"""What is said about acts in a preservation (docs/preservation.md); rules have their own."""

from collections.abc import Mapping
from types import MappingProxyType

PRESERVATION: Mapping[str, str] = MappingProxyType(
    {
        "asked-authority": "An authority that was not asked answered this request, so nothing of it counts; "
        "ring the authority that was asked. (UNTOC 18(13), Budapest 27(2), 35)",
        "breach": "A message of the other authority breaks a rule, so it moved nothing: see which with "
        "`rogatory preservation show`, and tell that authority.",
        "letter-unprintable": "The letter cannot be set on this machine; install what is named.",
        "not-a-preservation": "This is no request to preserve data; name one that is.",
        "override-impossible": "Only a preservation or an emergency disclosure can go out incomplete, with a "
        "reason; never without an addressee that may take it, a basis, or what Budapest 29(2) asks for.",
        "rule-broken": "This breaks the rules named, so it moves nothing; change it as the articles say.",
    }
)
