"""Formats and cryptography of the gateway: design GW/1.

Synchronous and pull-free: bytes in, bytes out. Knows no treaty, no network and no
clock; functions that depend on time take ``now``. A verifier returns the verified
value or raises :class:`crypto.errors.Refusal`; it never returns a flag.
"""
