"""The channels of one gateway: what carries bundles out, and what fetches a followed network's directory.

``open_channels`` is the one place where an adapter is made from the settings; a channel whose settings are
missing is not made, and the services then say that it is not carried here.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from adapters.base import Adapter
from adapters.https import HTTPSAdapter
from adapters.mailformat import SEGMENT_BYTES
from adapters.mailserver import MailServer, MailTLS
from adapters.peerhttp import Timings
from adapters.sealedmail import SealedMailAdapter
from adapters.smimemail import SmimeMailAdapter
from adapters.smtp import SmtpSender
from adapters.tls import TLSIdentity
from crypto.keys import KeyUse
from crypto.mailtoken import MailKind, Segment, sign_mail
from crypto.reqjwt import issue_request_token
from gateway.config import MailServerSettings, NetworkSettings
from gateway.model.channels import LETTERS, SEALED_MAIL
from gateway.services.delivery.post import Mailer
from gateway.services.following.networks import Followed
from gateway.services.following.served import serve_from
from gateway.services.registry.follower import Fetch
from gateway.wiring.ground import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Everything by which bytes leave this process; closed by the stack they were opened on.

    Attributes:
        https: Peer to peer; also fetches, pushes receipts and puts questions.
        adapters: Every channel that carries bundles, by scheme, ``https`` among them.
        followed: The networks of the settings, each with what fetches its files.
        mailer: Sends receipts and notices by mail, where this gateway has a mailbox.
    """

    https: HTTPSAdapter
    adapters: Mapping[str, Adapter]
    followed: Sequence[Followed]
    mailer: Mailer | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What this authority shows at a peer's door, made from the keys valid at that moment."""

    ground: Ground

    def identity(self) -> TLSIdentity:
        """Return certificate and key for a TLS handshake, on either side."""
        certificate, key_file = self.ground.keyring.tls_files(self.ground.clock.now())
        return TLSIdentity(certificate=certificate, key_file=key_file)

    def token(
        self,
        aud: str,
        method: str,
        path_qs: str,
        *,
        bd: bytes | None = None,
        off: int | None = None,
        len: int | None = None,
    ) -> str:
        """Return the signed token of one call to a peer."""
        now = self.ground.clock.now()
        return issue_request_token(
            self.ground.keyring.signer(KeyUse.REQ, now),
            iss=self.ground.authority_id,
            aud=aud,
            method=method,
            path_qs=path_qs,
            now=now,
            body_digest=bd,
            off=off,
            length=len,
        )

    def mail_token(
        self, to: str, kind: MailKind, *, sha256: str, size: int, segment: Segment | None = None
    ) -> str:
        """Return the signed token of one mail to a peer's gateway."""
        now = self.ground.clock.now()
        return sign_mail(
            self.ground.keyring.signer(KeyUse.REQ, now),
            sender=self.ground.authority_id,
            to=to,
            kind=kind,
            sha256=sha256,
            size=size,
            now=now,
            segment=segment,
        )


def open_channels(
    ground: Ground,
    *,
    stack: AsyncExitStack,
    transport: HTTPSAdapter | None,
    further: Sequence[Adapter],
    repositories: Callable[[NetworkSettings], Fetch] | None,
) -> Channels:
    """Return the channels that the settings name, or those handed in for a test."""
    https = transport or _https(ground)
    own: list[Adapter] = [https]
    if ground.settings.mail.mailbox and SEALED_MAIL not in {adapter.scheme for adapter in further}:
        own.append(_sealed_mail(ground))
    if ground.settings.mail.mailbox and LETTERS not in {adapter.scheme for adapter in further}:
        own.append(_letter_mail(ground))
    adapters = {adapter.scheme: adapter for adapter in (*own, *further)}
    sealed = adapters.get(SEALED_MAIL)
    for adapter in adapters.values():
        stack.push_async_callback(adapter.aclose)
    return Channels(
        https=https,
        adapters=adapters,
        mailer=sealed if isinstance(sealed, Mailer) else None,
        followed=[
            _followed(ground, network, stack=stack, repositories=repositories)
            for network in ground.settings.directory.network
        ],
    )


def _sealed_mail(ground: Ground) -> SealedMailAdapter:
    mail = ground.settings.mail
    # What base64 and its line ends add, and room for headers and token.
    room = (mail.max_message_bytes - 64 * 1024) * 72 // 100
    return SealedMailAdapter(
        sender=SmtpSender(mail_server(ground, mail.smtp), name=mail.mailbox.rpartition("@")[2]),
        mailbox=mail.mailbox,
        token=Credentials(ground).mail_token,
        now=ground.clock.now,
        segment_bytes=min(SEGMENT_BYTES, room),
    )


def _letter_mail(ground: Ground) -> SmimeMailAdapter:
    mail = ground.settings.mail
    return SmimeMailAdapter(
        sender=SmtpSender(mail_server(ground, mail.smtp), name=mail.mailbox.rpartition("@")[2]),
        mailbox=mail.mailbox,
        most_bytes=mail.max_message_bytes,
    )


def mail_server(ground: Ground, server: MailServerSettings) -> MailServer:
    """Return one of the own mail servers as adapters know it."""
    paths = ground.paths
    return MailServer(
        host=server.host,
        port=server.port,
        tls=MailTLS(server.tls),
        ca_file=paths.resolve(server.ca_file) if server.ca_file else None,
        user=server.user or None,
        password_file=paths.resolve(server.password_file) if server.password_file else None,
    )


def _https(ground: Ground) -> HTTPSAdapter:
    peer, credentials = ground.settings.peer, Credentials(ground)
    return HTTPSAdapter(
        identity=credentials.identity,
        token=credentials.token,
        policy=ground.egress,
        timings=Timings(connect_s=peer.connect_timeout_s, idle_s=peer.idle_timeout_s),
        proxy_url=peer.proxy_url or None,
        segment_bytes=peer.segment_bytes,
    )


def _followed(
    ground: Ground,
    network: NetworkSettings,
    *,
    stack: AsyncExitStack,
    repositories: Callable[[NetworkSettings], Fetch] | None,
) -> Followed:
    fetch: Fetch | None = None
    if network.url and repositories is not None:
        fetch = repositories(network)
    elif network.url:
        served = serve_from(
            network,
            ground.paths,
            policy=ground.egress,
            proxy_url=ground.settings.peer.proxy_url or None,
        )
        stack.push_async_callback(served.aclose)
        fetch = served
    return Followed(
        name=network.name,
        root_sha256=network.root_sha256,
        folder=ground.paths.network(network.name),
        fetch=fetch,
    )
