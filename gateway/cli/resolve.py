"""``rogatory directory resolve``, ``show`` and ``list``: who is addressed, and what the directory says of it.

Answers from the directory of a home. Where no home is named at all, from the sample directory that comes with
the product, and says so each time: its addresses are fictional.
"""

from types import ModuleType
from typing import Annotated, Literal, TypeVar

import msgspec
from cyclopts import Parameter
from rich.console import Console

from gateway.cli import resolveshown
from gateway.cli.output import Answer, CommandFailed, Common, note, run, text
from gateway.cli.session import call
from gateway.config import is_home_named
from gateway.web import calls as api
from gateway.web.calls.addressees import AuthorityParams, ResolveParams

P = TypeVar("P")

#: How an option is given, by the member it becomes.
_ASKED_LIKE = {
    "state": "A State is named by two letters (ISO 3166-1), as in --state US.",
    "kind": "A kind is a code in small letters, as in --kind mla or --kind preservation.",
    "instruments": "A legal basis is a code in small letters, as in --instrument untoc; at most 16 of them.",
    "language": "A language is named by its code, as in --language en.",
    "requester": "Who asks is an authority or a State, as in --from ro-diicot or --from RO.",
    "region": "The name of a region is too long; the first words of it are enough.",
    "authority_id": "An authority is named by its identifier, as in us-ccips.",
}

_SAMPLE_NOTE = "Sample directory: every address in it is fictional. Name a home (--home) for the real one."


def resolve(
    *,
    state: str,
    kind: str = "mla",
    instrument: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    region: str = "",
    urgency: Literal["routine", "priority", "urgent", "emergency"] = "routine",
    language: str = "",
    requester: Annotated[str, Parameter(name="--from")] = "",
    common: Common | None = None,
) -> int:
    """Find to whom a request goes, why, by which channels, and what stands in the way.

    Never chooses between several: it asks. Exit code 1 if nobody can be addressed.

    Parameters
    ----------
    state:
        Requested State, two letters (ISO 3166-1).
    kind:
        Kind of the request, such as mla, extradition, preservation.
    instrument:
        Legal basis, the primary one first, such as untoc, budapest, bilateral, reciprocity.
    region:
        Special region where the person, the evidence or the data is, such as scotland.
    urgency:
        Level of urgency. A preservation always travels on the urgent lane.
    language:
        Language of the request, to know whether a translation is needed.
    requester:
        Authority or State that asks, if it is not the one of this home.
    """
    common = common or Common()

    async def work() -> Answer:
        params = _checked(
            ResolveParams,
            state=state,
            kind=kind,
            instruments=instrument or [],
            region=region,
            urgency=urgency,
            language=language,
            requester=requester,
        )
        if is_home_named(common.home):
            found = await call(common, api.DIRECTORY_RESOLVE, params, label="Looking")
        else:
            found = _sample().resolve(params)
        return Answer(
            data=found,
            show=lambda console: resolveshown.show_resolution(console, found),
            ok=found.outcome != "none",
        )

    return run(common, work)


def show(authority_id: str, *, common: Common | None = None) -> int:
    """Show everything the directory says of one authority.

    Parameters
    ----------
    authority_id:
        Its identifier, such as us-ccips.
    """
    common = common or Common()

    async def work() -> Answer:
        params = _checked(AuthorityParams, authority_id=authority_id)
        if is_home_named(common.home):
            found = await call(common, api.DIRECTORY_SHOW, params, label="Looking")
        else:
            found = _sample().show(params.authority_id)
        return Answer(data=found, show=lambda console: resolveshown.show_authority(console, found))

    return run(common, work)


def list_(*, state: str = "", common: Common | None = None) -> int:
    """List the authorities, their channels and keys.

    Parameters
    ----------
    state:
        Of this State only, two letters.
    """
    common = common or Common()
    wanted = state.strip().upper()

    async def work() -> Answer:
        if is_home_named(common.home):
            found = await call(common, api.DIRECTORY_LIST, api.Nothing(), label="Reading the directory")
        else:
            found = _sample().list_()
        if wanted:
            found.authorities = [row for row in found.authorities if row.state == wanted]

        def show_list(console: Console) -> None:
            if not found.authorities:
                console.print(f"The directory lists no authority{' of ' + text(wanted) if wanted else ''}.")
                return
            resolveshown.show_list(console, found.authorities)
            if found.network == "lab":
                note("Lab network: for trials only.")

        return Answer(data=found, show=show_list)

    return run(common, work)


def _checked(params: type[P], /, **values: object) -> P:
    """Return the parameters of a call, or say which option is wrong."""
    try:
        return msgspec.convert(values, params)
    except msgspec.ValidationError as error:
        _, _, where = str(error).rpartition("$.")
        member = where.rstrip("`").partition("[")[0]
        raise CommandFailed("params-invalid", _ASKED_LIKE.get(member, f"{error}.")) from None


def _sample() -> ModuleType:
    """Return what answers from the sample directory, and say that it does."""
    note(_SAMPLE_NOTE)
    # Only here: a command that asks a running service need not load any of it.
    from gateway.cli import sampledirectory

    return sampledirectory
