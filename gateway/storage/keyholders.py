"""Whose each listed key is, as far back as this gateway knows; never forgotten, changed if it passes on."""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, select, update

from gateway.storage.database import Transaction
from gateway.storage.schema import key_holder

_ALL = select(key_holder)
_PASS_ON = (
    update(key_holder)
    .where(key_holder.c.pub_sha256 == bindparam("b_sha256"))
    .values(authority_id=bindparam("v_aid"), use=bindparam("v_use"))
)


def key_holders(connection: Connection) -> dict[str, tuple[str, str]]:
    """Return authority and use of every key, by the digest of its public half."""
    return {row.pub_sha256: (row.authority_id, row.use) for row in connection.execute(_ALL)}


def store_key_holders(
    tx: Transaction, holders: Mapping[str, tuple[str, str]], *, known: Mapping[str, tuple[str, str]]
) -> None:
    """Keep whose keys are that are not ``known`` so."""
    for digest, (aid, use) in holders.items():
        if digest not in known:
            tx.insert_once(key_holder, pub_sha256=digest, authority_id=aid, use=use)
        elif known[digest] != (aid, use):
            tx.later(_PASS_ON, b_sha256=digest, v_aid=aid, v_use=use)
