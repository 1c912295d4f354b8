"""The keys of an authority, under one name: public keys and uses, private keys and signers.

What may be a key is decided in ``crypto.publickeys``, how private ones are held in
``crypto.privatekeys``; docs/keys.md describes both.
"""

from crypto.privatekeys import HybridSigner, PrivateKey
from crypto.publickeys import (
    ALGORITHMS,
    ED25519,
    ED25519_SIGNATURE_SIZE,
    GW_HYB1,
    GW_KEM1,
    HYBRID_SIGNATURE_SIZE,
    ML_DSA_44_SIGNATURE_SIZE,
    ML_DSA_65_SIGNATURE_SIZE,
    NOTE_ED25519,
    NOTE_ML_DSA_44,
    X509,
    Decapsulator,
    HalfSigner,
    KeyUse,
    PublicKey,
    Signer,
    key_id,
)

__all__ = [
    "ALGORITHMS",
    "ED25519",
    "ED25519_SIGNATURE_SIZE",
    "GW_HYB1",
    "GW_KEM1",
    "HYBRID_SIGNATURE_SIZE",
    "ML_DSA_44_SIGNATURE_SIZE",
    "ML_DSA_65_SIGNATURE_SIZE",
    "NOTE_ED25519",
    "NOTE_ML_DSA_44",
    "X509",
    "Decapsulator",
    "HalfSigner",
    "HybridSigner",
    "KeyUse",
    "PrivateKey",
    "PublicKey",
    "Signer",
    "key_id",
]
