"""pyas2lib in memory, under the peers' interpreter: ``peer_pyas2 FILE SECONDS [build]``.

Signs and encrypts the file as one AS2 message, then decrypts and verifies it and makes the signed
receipt, as two partners would (not with ``build``); prints the mean seconds of each as JSON.
"""

import json
import sys
from pathlib import Path

from pyas2lib import as2

from tests.bench import places, timing

ALGORITHMS = {"sign": True, "digest_alg": "sha256", "encrypt": True, "enc_alg": "aes_256_cbc"}
RECEIPT = {"mdn_mode": "SYNC", "mdn_digest_alg": "sha256"}


def organization(name: str) -> as2.Organization:
    """Return one side with its private key."""
    key = (places.KEYS / f"{name}.pem").read_bytes()
    secret = "bench"
    return as2.Organization(
        as2_name=name, sign_key=key, sign_key_pass=secret, decrypt_key=key, decrypt_key_pass=secret
    )


def partner(name: str) -> as2.Partner:
    """Return one side as the other knows it."""
    certificate = (places.KEYS / f"{name}.crt").read_bytes()
    return as2.Partner(
        as2_name=name,
        verify_cert=certificate,
        encrypt_cert=certificate,
        validate_certs=False,
        **ALGORITHMS,
        **RECEIPT,
    )


def main() -> None:
    """Build and parse the file's message for the given time each."""
    data, seconds = Path(sys.argv[1]).read_bytes(), float(sys.argv[2])
    a, b, as_b, as_a = organization("a"), organization("b"), partner("b"), partner("a")
    built: list[as2.Message] = []

    def build() -> None:
        message = as2.Message(sender=a, receiver=as_b)
        message.build(data, filename="evidence.bin", subject="x", content_type="application/octet-stream")
        built[:] = [message]

    def parse() -> None:
        message = as2.Message()
        status, problem, _mdn = message.parse(raw, lambda _name: b, lambda _name: as_a)
        if status != "processed":
            raise SystemExit(f"{status}: {problem}")

    build_s, build_cpu_s = timing.per_call(build, seconds=seconds)
    if sys.argv[3:] == ["build"]:
        print(json.dumps({"build_s": build_s, "build_cpu_s": build_cpu_s}))
        return
    raw = built[0].headers_str + b"\r\n" + built[0].content
    parse_s, parse_cpu_s = timing.per_call(parse, seconds=seconds)
    figures = {"build_s": build_s, "build_cpu_s": build_cpu_s, "parse_s": parse_s, "parse_cpu_s": parse_cpu_s}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
