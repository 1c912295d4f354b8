"""The audit log: leaves, what they commit to, hash tiles, signed heads. Append-only by triggers."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from gateway.storage.schema.ground import RowNumber, metadata

audit_leaf = Table(
    "audit_leaf",
    metadata,
    Column("idx", RowNumber, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False, comment="exact bytes that are hashed"),
    comment="Append-only: triggers refuse UPDATE, DELETE, TRUNCATE and replacement.",
)

audit_body = Table(
    "audit_body",
    metadata,
    Column("idx", RowNumber, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    comment="What a leaf commits to. May be erased (never altered); the tree stays valid.",
)

audit_tile = Table(
    "audit_tile",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False, comment="256 hashes of 32 bytes (C2SP tlog-tiles)"),
    comment="Complete hash tiles. Append-only.",
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("size", RowNumber, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False, comment="signed note"),
    comment="Signed tree heads. Append-only.",
)
