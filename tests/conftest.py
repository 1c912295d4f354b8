"""What tests of every room share: one real mail host, and no time limit for a generated example."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from gateway.demo.mailhost import MailHost, MailHostUnavailable

#: How long an example takes says something about the machine, not about the product.
settings.register_profile("rogatory", deadline=None)
settings.load_profile("rogatory")


@pytest.fixture(scope="session")
def mailhost() -> Iterator[MailHost]:
    """Postfix and Dovecot on loopback; each test adds mailboxes of its own and puts back what it switched."""
    try:
        with MailHost(["gw@mj.xx.example", "gateway@mj.yy.example"]) as host:
            yield host
    except MailHostUnavailable as error:
        pytest.skip(f"no mail servers: {error}")
