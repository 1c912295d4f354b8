"""The channels of one gateway: what carries bundles out, and what fetches a followed network's directory.

``open_channels`` is the one place where an adapter is made from the settings; a channel whose settings are
missing is not made, and the services then say that it is not carried here.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from adapters.base import Adapter
from adapters.https import HTTPSAdapter
from adapters.peerhttp import Timings
from adapters.tls import TLSIdentity
from crypto.keys import KeyUse
from crypto.reqjwt import issue_request_token
from gateway.config import NetworkSettings
from gateway.services.networks import Followed
from gateway.services.post import Mailer
from gateway.services.registry.follower import Fetch
from gateway.services.served import serve_from
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
    adapters = {adapter.scheme: adapter for adapter in (https, *further)}
    for adapter in adapters.values():
        stack.push_async_callback(adapter.aclose)
    return Channels(
        https=https,
        adapters=adapters,
        followed=[
            _followed(ground, network, stack=stack, repositories=repositories)
            for network in ground.settings.directory.network
        ],
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
