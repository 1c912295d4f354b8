"""XML signature and XML encryption by the xmlsec C library, which is what AS4 pays per message.

Runs under the peers' interpreter: ``peer_xmlsec FILE SECONDS``. RSA-2048 with SHA-256, AES-256-GCM
under RSA-OAEP, keys loaded once; prints the mean seconds of sealing and opening as JSON.
"""

import base64
import json
import sys
from pathlib import Path

import xmlsec
from lxml import etree
from xmlsec import constants

from tests.bench import places, timing

XENC = "http://www.w3.org/2001/04/xmlenc#"


def key_of(name: str, kind: str) -> xmlsec.Key:
    """Load a private key ("key") or a certificate ("crt")."""
    form = constants.KeyDataFormatPem if kind == "key" else constants.KeyDataFormatCertPem
    return xmlsec.Key.from_memory((places.KEYS / f"{name}.{kind}").read_bytes(), form)


def manager(key: xmlsec.Key) -> xmlsec.KeysManager:
    """Return a manager that holds one key."""
    keys = xmlsec.KeysManager()
    keys.add_key(key)
    return keys


def main() -> None:
    """Seal and open the file for the given time each."""
    payload = base64.b64encode(Path(sys.argv[1]).read_bytes())
    source = b"<Envelope><Header/><Body>" + payload + b"</Body></Envelope>"
    signing_key, verifying_key = key_of("a", "key"), key_of("a", "crt")
    recipient, holder = manager(key_of("b", "crt")), manager(key_of("b", "key"))

    def seal() -> bytes:
        tree = etree.fromstring(source)
        signature = xmlsec.template.create(tree, constants.TransformExclC14N, constants.TransformRsaSha256)
        tree[0].append(signature)
        reference = xmlsec.template.add_reference(signature, constants.TransformSha256)
        xmlsec.template.add_transform(reference, constants.TransformEnveloped)
        xmlsec.template.add_transform(reference, constants.TransformExclC14N)
        signing = xmlsec.SignatureContext()
        signing.key = signing_key
        signing.sign(signature)
        sealed = xmlsec.template.encrypted_data_create(
            tree, constants.TransformAes256Gcm, type=constants.TypeEncElement, ns="xenc"
        )
        xmlsec.template.encrypted_data_ensure_cipher_value(sealed)
        info = xmlsec.template.encrypted_data_ensure_key_info(sealed, ns="dsig")
        wrapped = xmlsec.template.add_encrypted_key(info, constants.TransformRsaOaep)
        xmlsec.template.encrypted_data_ensure_cipher_value(wrapped)
        encryption = xmlsec.EncryptionContext(recipient)
        encryption.key = xmlsec.Key.generate(constants.KeyDataAes, 256, constants.KeyDataTypeSession)
        encryption.encrypt_xml(sealed, tree[1])
        return bytes(etree.tostring(tree))

    wire = seal()

    def unseal() -> None:
        tree = etree.fromstring(wire)
        xmlsec.EncryptionContext(holder).decrypt(xmlsec.tree.find_node(tree, "EncryptedData", XENC))
        verification = xmlsec.SignatureContext()
        verification.key = verifying_key
        verification.verify(xmlsec.tree.find_node(tree, constants.NodeSignature))
        if tree[1].text is None:
            raise SystemExit("the body did not come back")

    seal_s, seal_cpu_s = timing.per_call(seal, seconds=seconds())
    open_s, open_cpu_s = timing.per_call(unseal, seconds=seconds())
    figures = {"seal_s": seal_s, "seal_cpu_s": seal_cpu_s, "open_s": open_s, "open_cpu_s": open_cpu_s}
    print(json.dumps({**figures, "wire_bytes": len(wire)}))


def seconds() -> float:
    """Return how long to measure each direction."""
    return float(sys.argv[2])


if __name__ == "__main__":
    main()
