"""Commands that set up the duty page, on the files of a home: its name, and a certificate of its own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from gateway.cli.output import Answer, Common, indented, run, text
from gateway.config import find_home


class DutySetup(msgspec.Struct, kw_only=True):
    """Where the page is, for programs."""

    origin: str
    listen: str
    tls: str


class DutyCertificate(msgspec.Struct, kw_only=True):
    """The certificate that was made, for programs."""

    origin: str
    ends_at: datetime
    issuer: str
    issuer_sha256: str
    is_issuer_new: bool


def setup(
    name: str,
    /,
    *,
    listen: str,
    port: int | None = None,
    proxy: Annotated[bool, Parameter(negative=())] = False,
    common: Common | None = None,
) -> int:
    """Write into the settings where the duty page is. It starts with the next `rogatory serve`.

    Parameters
    ----------
    name:
        Host name that officers open, such as duty.authority.example. Passkeys are bound to it.
    listen:
        Where the gateway listens, host:port; with --proxy a loopback address.
    port:
        Port that officers open, if it is not 443.
    proxy:
        A proxy on this machine speaks TLS, with a certificate of its own.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.duty.setup import name_page

        paths = find_home(common.home)
        settings = name_page(paths, host=name, port=port, listen=listen, proxy=proxy)
        made = DutySetup(origin=settings.duty.origin, listen=settings.duty.listen, tls=settings.duty.tls)

        def show(console: Console) -> None:
            console.print(f"The duty page is {text(made.origin)}, served on {text(made.listen)}.")
            if proxy:
                steps = ["let the proxy hand on what docs/duty-page.md section 3 names"]
            else:
                steps = ["make its certificate: rogatory duty certificate"]
            opened, served = port or 443, made.listen.rpartition(":")[2]
            if not proxy and served != str(opened):
                steps.append(f"have the firewall hand port {opened}, which phones open, on to {served}")
            _next(console, [*steps, "restart the gateway", "invite officers: rogatory officer invite"])

        return Answer(data=made, show=show)

    return run(common, work)


def certificate(*, common: Common | None = None) -> int:
    """Make the duty page's certificate by an issuer of its own, or renew it.

    The issuer may vouch for the page's name only. Every officer's phone is told once to trust it; a running
    page takes a renewed certificate up within a minute.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.duty.setup import certify_page

        found = certify_page(find_home(common.home), now=datetime.now(UTC))
        made = DutyCertificate(
            origin=found.origin,
            ends_at=found.ends_at,
            issuer=str(found.issuer),
            issuer_sha256=found.issuer_sha256,
            is_issuer_new=found.is_issuer_new,
        )

        def show(console: Console) -> None:
            console.print(f"The certificate of {text(made.origin)} is good until {made.ends_at:%Y-%m-%d}.")
            if made.is_issuer_new:
                console.print(f"Its issuer is new: {text(Path(made.issuer))}")
                console.print(indented(f"SHA-256 {text(_grouped(made.issuer_sha256))}", 2))
                _next(
                    console,
                    [
                        "install the issuer on every officer's phone, and compare the digest there",
                        "restart the gateway if the page was not served yet",
                    ],
                )

        return Answer(data=made, show=show)

    return run(common, work)


def _next(console: Console, steps: list[str]) -> None:
    for number, step in enumerate(steps, 1):
        console.print(indented(f"{number}. {text(step)}", 2))


def _grouped(digest: str) -> Any:
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4)).upper()
