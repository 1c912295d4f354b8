"""What tests of every room share: one real mail host per session."""

from collections.abc import Iterator

import pytest

from gateway.demo.mailhost import MailHost, MailHostUnavailable


@pytest.fixture(scope="session")
def mailhost() -> Iterator[MailHost]:
    """Postfix and Dovecot on loopback; each test adds mailboxes of its own and puts back what it switched."""
    try:
        with MailHost(["gw@mj.xx.example", "gateway@mj.yy.example"]) as host:
            yield host
    except MailHostUnavailable as error:
        pytest.skip(f"no mail servers: {error}")
