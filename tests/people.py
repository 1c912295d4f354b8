"""Officers with passkeys, for the tests of everything that people sign; all of them are fictional."""

from crypto.passkey import passkey_words
from gateway.app import App
from gateway.demo.passkey import SoftPasskeys
from gateway.services.acts.acts import PreparedAct
from gateway.services.officers.people import Officer
from gateway.services.sending.submit import Submission
from gateway.storage import officers


async def invited(app: App, pseudonym: str, *, role: str = "duty_officer", by: str = "head") -> str:
    """Invite an officer and return the token of the link."""
    link = await app.officers.invite(
        pseudonym,
        name=f"Fictional {pseudonym}",
        role=role,
        time_zone="Africa/Nairobi",
        language="en",
        by=by,
    )
    return link.token


async def registered(app: App, token: str, phone: SoftPasskeys | None = None) -> SoftPasskeys:
    """Make a passkey by a link, as a phone would."""
    phone = phone or SoftPasskeys(origin=app.officers.party.origin)
    options = (await app.officers.begin_registration(token)).options
    await app.officers.complete_registration(token, phone.create(options))
    return phone


async def enrolled(
    app: App, pseudonym: str, *, role: str = "duty_officer", by: str = "head", second: str = "deputy"
) -> SoftPasskeys:
    """Make an officer with one passkey that a second person confirmed; return the phone."""
    phone = await registered(app, await invited(app, pseudonym, role=role, by=by))
    await confirmed(app, pseudonym, by=second)
    return phone


async def read_out(app: App, pseudonym: str) -> list[str]:
    """Return the words of every passkey that waits, as the officer reads them from the phone."""
    keys = await app.database.read(lambda c: officers.credentials_of(c, pseudonym))
    return [passkey_words(key.pub) for key in keys if key.status == "pending"]


async def confirmed(app: App, pseudonym: str, *, by: str = "deputy") -> Officer:
    """Confirm every passkey that waits, each by its words; return the officer."""
    for words in await read_out(app, pseudonym):
        await app.officers.confirm(pseudonym, by=by, words=words)
    return await app.officers.find(pseudonym)


async def signed(app: App, act: Submission | PreparedAct, phone: SoftPasskeys) -> Submission:
    """Sign a prepared act with its officer's phone."""
    assert isinstance(act, PreparedAct)
    return await app.acts.sign(act.id, officer=act.officer, assertion=phone.get(act.options))
