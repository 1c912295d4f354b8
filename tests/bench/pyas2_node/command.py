"""Set a django-pyas2 node up, or send messages from it as its own ``sendas2message`` does.

``command init PEER_PORT`` · ``command send COUNT FILE`` (one process, one message after the other;
prints what it took as JSON, Django's start not included).
"""

import json
import os
import sys
import time
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.pyas2_node.settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from pyas2.models import Message, Organization, Partner, PrivateKey, PublicCertificate  # noqa: E402
from pyas2lib import Message as AS2Message  # noqa: E402

from tests.bench import places, timing  # noqa: E402

OWN = os.environ["NODE"]
PEER = "b" if OWN == "a" else "a"


def init(peer_port: str) -> None:
    """Make the database, the own key and the one partner."""
    call_command("migrate", verbosity=0)
    key = PrivateKey.objects.create(
        name="own", key=(places.KEYS / f"{OWN}.pem").read_bytes(), key_pass="bench"
    )
    certificate = PublicCertificate.objects.create(
        name="peer", certificate=(places.KEYS / f"{PEER}.crt").read_bytes(), verify_cert=False
    )
    Organization.objects.create(as2_name=OWN, name=OWN, encryption_key=key, signature_key=key)
    Partner.objects.create(
        as2_name=PEER,
        name=PEER,
        target_url=f"https://127.0.0.1:{peer_port}/pyas2/as2receive",
        https_verify_ssl=False,
        signature="sha256",
        signature_cert=certificate,
        encryption="aes_256_cbc",
        encryption_cert=certificate,
        mdn=True,
        mdn_mode="SYNC",
        mdn_sign="sha256",
        keep_filename=False,
    )


def send_one(payload: bytes, name: str) -> None:
    """Build, store and send one message, and take its signed receipt."""
    organization = Organization.objects.get(as2_name=OWN)
    partner = Partner.objects.get(as2_name=PEER)
    built = AS2Message(sender=organization.as2org, receiver=partner.as2partner)
    built.build(
        payload,
        filename=name,
        subject=partner.subject,
        content_type="application/octet-stream",
        disposition_notification_to="no-reply@authority.example",
    )
    message, _ = Message.objects.create_from_as2message(
        as2message=built, payload=payload, filename=name, direction="OUT", status="P"
    )
    message.send_message(built.headers, built.content)
    if message.status != "S":
        raise SystemExit(f"not delivered: {message.status} {message.detailed_status}")


def send(count: int, file: Path) -> None:
    """Send ``count`` messages and print rate and latencies."""
    payload = file.read_bytes()
    send_one(payload, f"{os.getpid()}-first.bin")
    latencies = []
    begin = time.time()
    for index in range(count):
        start = time.perf_counter()
        send_one(payload, f"{os.getpid()}-{index}.bin")
        latencies.append(time.perf_counter() - start)
    figures = {"count": count, "begin": begin, "end": time.time(), "p50_ms": timing.median(latencies) * 1e3}
    print(json.dumps({**figures, "p99_ms": timing.percentile(latencies, 0.99) * 1e3}))


if __name__ == "__main__":
    if sys.argv[1] == "init":
        init(sys.argv[2])
    else:
        send(int(sys.argv[2]), Path(sys.argv[3]))
