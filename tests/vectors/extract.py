"""Cuts the small extracts in this folder, and the self-test's vectors, out of the published files.

Run: ``python tests/vectors/extract.py PUBLISHED CRYPTOGRAPHY_VECTORS``; the first folder holds the
Wycheproof and CCTV files named in README.md, the second is the unpacked package of that name.
"""

import hashlib
import json
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).parent


def _kat(path: Path, count: int) -> list[dict[str, str]]:
    blocks: list[dict[str, str]] = []
    for line in path.read_text("ascii").splitlines():
        name, _, value = line.partition(" = ")
        if name == "count":
            blocks.append({})
        elif value:
            blocks[-1][name] = value
    return blocks[:count]


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", "ascii")


def main(published: Path, package: Path) -> None:
    ml_dsa = [
        {
            "seed": kat["xi"],
            "pk": kat["pk"],
            "msg": kat["msg"],
            "ctx": kat["ctx"],
            "sig": kat["sm"][: 2 * 3309],
        }
        for kat in _kat(package / "asymmetric/MLDSA/kat_MLDSA_65_det_pure.rsp", 3)
    ]
    _write(HERE / "ml_dsa_65.json", ml_dsa)
    ml_kem = [
        {
            "seed": kat["d"] + kat["z"],
            "pk": kat["pk"],
            "ct": kat["ct"],
            "ss": kat["ss"],
            "ct_n": kat["ct_n"],
            "ss_n": kat["ss_n"],
        }
        for kat in _kat(package / "asymmetric/MLKEM/kat_MLKEM_768.rsp", 3)
    ]
    _write(HERE / "ml_kem_768.json", ml_kem)
    wanted = (
        "kem_id",
        "kdf_id",
        "aead_id",
        "info",
        "skRm",
        "pkRm",
        "enc",
        "shared_secret",
        "key",
        "base_nonce",
    )
    hpke = [
        {**{name: vector[name] for name in wanted}, "encryption": vector["encryptions"][0]}
        for vector in json.loads((package / "HPKE/hpke-pq-test-vectors.json").read_text())
        if vector["kem_id"] == 0x647A
    ]
    _write(HERE / "hpke_0x647a.json", hpke)
    chunked = json.loads((published / "wycheproof_c2sp_chunked_encryption_aes_256_gcm_test.json").read_text())
    ed25519 = json.loads((published / "wycheproof_ed25519_test.json").read_text())
    _write(
        HERE / "ed25519_wycheproof.json",
        [
            {
                "pk": group["publicKey"]["pk"],
                "tests": [[t["msg"], t["sig"], t["result"] == "valid"] for t in group["tests"]],
            }
            for group in ed25519["testGroups"]
        ],
    )
    cctv = json.loads((published / "cctv_ed25519vectors.json").read_text())
    keys = {
        vector["key"]: sorted(flag for flag in vector["flags"] or [] if flag.endswith("_A"))
        for vector in cctv
    }
    _write(HERE / "ed25519_cctv_keys.json", keys)
    (HERE / "chunked_encryption_wycheproof.json").write_text(json.dumps(chunked, indent=1) + "\n", "ascii")
    _selftest(ml_dsa, ml_kem, chunked, ed25519)


def _selftest(ml_dsa: list, ml_kem: list, chunked: dict, ed25519: dict) -> None:
    target = HERE.parents[1] / "crypto/data/selftest.json"
    own = json.loads(target.read_text()) if target.exists() else {}
    case = next(
        t
        for g in chunked["testGroups"]
        for t in g["tests"]
        if t["result"] == "valid" and 0 < t["msgLength"] < 200
    )
    ct = zlib.decompress(bytes.fromhex(case["ct"]))
    sys.path.insert(0, str(HERE.parents[1]))
    from tests.crypto.chunked import read_chunked

    message = read_chunked(bytes.fromhex(case["key"]), bytes.fromhex(case["ctx"]), ct)
    assert hashlib.sha512(message).hexdigest() == case["msgSha512"]
    vectors = {
        "sha256": {
            "source": "FIPS 180-4 example",
            "msg": b"abc".hex(),
            "digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
        "ed25519": {
            "source": "RFC 8032 section 7.1, TEST 3",
            "seed": "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "pk": "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "msg": "af82",
            "sig": "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        },
        "ed25519-identity": {"source": "identity point", "pk": "01" + "00" * 31},
        "ml-dsa-65": {
            "source": "cryptography_vectors 50.0.2, kat_MLDSA_65_det_pure.rsp, count 0",
            **{name: ml_dsa[0][name] for name in ("seed", "msg", "ctx", "sig")},
            "pk_sha256": hashlib.sha256(bytes.fromhex(ml_dsa[0]["pk"])).hexdigest(),
        },
        "ml-kem-768": {
            "source": "cryptography_vectors 50.0.2, kat_MLKEM_768.rsp, count 0",
            **{name: ml_kem[0][name] for name in ("seed", "ct", "ss")},
        },
        "hpke": own.get("hpke") or _own_hpke(),
        "cobblestone-256": {
            "source": f"C2SP/wycheproof c2sp_chunked_encryption_aes_256_gcm_test.json, tcId {case['tcId']}",
            "key": case["key"],
            "ctx": case["ctx"],
            "ct": ct.hex(),
            "msg": message.hex(),
        },
        "key-wrap": {
            "source": "RFC 5649 section 6, first example",
            "kek": "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
            "key": "c37b7e6492584340bed12207808941155068f738",
            "wrapped": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
        },
        "pairwise": {
            "source": "no known answer: sign and verify, wrap and unwrap",
            "msg": b"pairwise".hex(),
            "bk": "42" * 32,
        },
    }
    _write(target, vectors)


def _own_hpke() -> dict[str, str]:
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

    from crypto import hpke

    seed, bk, info = bytes(range(32)), bytes(range(32, 64)), b"rogatory self-test"
    private = MLKEM768X25519PrivateKey(*hpke.expand_seed(seed))
    wrap = hpke.SUITE.encrypt(bk, private.public_key(), info)
    source = "made by extract.py; opened by the second implementations in crypto/halves.py and tests/interop"
    return {"source": source, "seed": seed.hex(), "info": info.hex(), "bk": bk.hex(), "wrap": wrap.hex()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
