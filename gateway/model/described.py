"""What is wrong with a value that a person wrote, without the patterns by which a machine found it."""

import re

#: Patterns of settings and calls, and how to write what fits them.
_WRITTEN = {
    "^(?=.{4,63}$)[a-z]{2}(-[a-z0-9]+)+$": "the State's two letters, then words, all small, such as ke-ag",
    "^[A-Z]{2}$": "two capital letters, such as KE",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "a pseudonym of letters, digits, dots, hyphens, such as ke-do-07",
    "^[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,63}$": "a pseudonym of letters, digits, dots, hyphens, such as ke-do-07",
    "^[0-2][0-9]:[0-5][0-9]$": "hours and minutes, such as 08:00 or 20:30",
    "^[0-9a-f]{32}$": "the whole identifier as it was shown, 32 letters and digits",
    "^[0-9a-f]{4,32}$": "the beginning of the identifier as it was shown, at least 4 letters and digits",
    "^[0-9a-f]{4,64}$": "the beginning of the digest as it was shown, at least 4 letters and digits",
    "^[0-9a-f]{64}$": "a whole SHA-256 digest, 64 letters and digits",
    "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "small letters, digits and hyphens, such as example-network",
    "^[a-z0-9_]{1,64}$": "a code in small letters, such as mla",
    "^[a-z0-9_]{1,32}$": "a code in small letters, such as email_smime",
    "^[a-z]{2,3}(-[A-Za-z0-9]+)*$": "the code of a language, such as en",
    "^([A-Za-z]{2,3}(-[A-Za-z0-9]{1,16}){0,4})?$": "the code of a language, such as en",
    "^[A-Za-z]{2}$": "a State's two letters, such as US",
    "^[^@ ]+@[^@ ]+$": "a mail address, such as desk@authority.example",
}
_UNMET = re.compile(
    r"^Expected `str(?: \| null)?` matching regex '(?P<pattern>.*)' - at `(?P<place>[^`]*)`$", re.DOTALL
)
_SHORT = re.compile(r"^Expected `str(?: \| null)?` of length >= (?P<least>\d+) - at `(?P<place>[^`]*)`$")


def described(problem: str) -> str:
    """Return what a validation found, a pattern that was not met as the place and what to write there."""
    if short := _SHORT.match(problem):
        return f"{short['place']}: too short, write at least {short['least']} letters or digits"
    found = _UNMET.match(problem)
    if found is None or found["pattern"] not in _WRITTEN:
        return problem
    return f"{found['place']}: write {_WRITTEN[found['pattern']]}"
