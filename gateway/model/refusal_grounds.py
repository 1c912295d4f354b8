"""On which grounds a request of one kind may be refused, where its article names them itself.

Everything else may be refused on any ground of the list, but for those that are never one (V17).
"""

from collections.abc import Mapping
from types import MappingProxyType

#: Grounds on which a preservation may be refused, by instrument; other bases know those of all.
#: Source: Budapest 29(4), (5); UNCC 40(21)(b), (c), 40(22), 42(5).
_PRESERVATION: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "budapest": frozenset(
            {"political_offence", "essential_interests", "preservation_dual_criminality_reserved"}
        ),
        "uncc": frozenset(
            {
                "essential_interests",
                "domestic_prohibition",
                "discriminatory_purpose",
                "preservation_dual_criminality_reserved",
            }
        ),
    }
)
#: The same for the disclosure of preserved traffic data: no reservation. Source: Budapest 30(2); UNCC 43.
_TRAFFIC_DATA: Mapping[str, frozenset[str]] = MappingProxyType(
    {code: found - {"preservation_dual_criminality_reserved"} for code, found in _PRESERVATION.items()}
)
_BY_KIND = MappingProxyType(
    {"preservation": _PRESERVATION, "preserved_traffic_data_disclosure": _TRAFFIC_DATA}
)

#: Kinds whose article names its grounds.
KINDS_WITH_GROUNDS = frozenset(_BY_KIND)


def grounds(kind: str, instruments: frozenset[str]) -> frozenset[str]:
    """Return the grounds of one of these kinds under these instruments. Raises ``KeyError`` for others."""
    by_instrument = _BY_KIND[kind]
    named = [by_instrument[code] for code in sorted(instruments) if code in by_instrument]
    return frozenset().union(*(named or by_instrument.values()))
