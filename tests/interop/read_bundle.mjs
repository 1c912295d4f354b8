// A second, independent reader of bundles and receipts, written from docs/bundle.md and docs/log.md.
// Shares no code and no cryptographic library with the product: node's own crypto for the classical half,
// @noble/post-quantum for the other, HPKE and chunked encryption by hand.
//
// Usage: node read_bundle.mjs TASK.json   (see test_second_reader.py for its members)
// Prints one JSON object of what it found, or exits 1 naming the first check that failed.

import { createDecipheriv, createHash, createHmac, createPublicKey, createPrivateKey, diffieHellman, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { ml_dsa44, ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

const MAGIC = Buffer.from("89475742310d0a1a", "hex");
const hex = (text) => Buffer.from(text, "hex");
const b64u = (text) => Buffer.from(text, "base64url");
const sha256 = (data) => createHash("sha256").update(data).digest();
const hmac = (hash, key, data) => createHmac(hash, key).update(data).digest();

function check(condition, what) {
  if (!condition) {
    console.error(`refused: ${what}`);
    process.exit(1);
  }
}

function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

function u64(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
}

const lp = (...fields) => Buffer.concat(fields.flatMap((field) => [u32(field.length), field]));

// --- keys and signatures ----------------------------------------------------------------------

const SPKI = { ed25519: hex("302a300506032b6570032100"), x25519: hex("302a300506032b656e032100") };
const PKCS8_X25519 = hex("302e020100300506032b656e04220420");

const publicKey = (kind, raw) =>
  createPublicKey({ key: Buffer.concat([SPKI[kind], raw]), format: "der", type: "spki" });

const ed25519Verifies = (pub, message, signature) => verify(null, message, publicKey("ed25519", pub), signature);

function keyID(use, alg, pub) {
  const fields = lp(Buffer.from(use), Buffer.from(alg), pub);
  return sha256(Buffer.concat([Buffer.from("gw/1/kid\0"), fields])).toString("base64url");
}

// --- HPKE base mode, KEM 0x647a, HKDF-SHA256, AES-256-GCM ---------------------------------------

const SUITE = Buffer.concat([Buffer.from("HPKE"), hex("647a00010002")]);
const VERSION = Buffer.from("HPKE-v1");
const EMPTY = Buffer.alloc(0);

const extract = (salt, label, ikm) =>
  hmac("sha256", salt.length ? salt : Buffer.alloc(32), Buffer.concat([VERSION, SUITE, Buffer.from(label), ikm]));

function expand(secret, label, context, size) {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(size);
  const info = Buffer.concat([length, VERSION, SUITE, Buffer.from(label), context, Buffer.from([1])]);
  return hmac("sha256", secret, info).subarray(0, size);
}

function unwrap(wrap, info, mlKemSeed, x25519Secret, x25519Public) {
  const { secretKey } = ml_kem768.keygen(mlKemSeed);
  const ephemeral = wrap.subarray(1088, 1120);
  const lattice = ml_kem768.decapsulate(wrap.subarray(0, 1088), secretKey);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_X25519, x25519Secret]),
    format: "der",
    type: "pkcs8",
  });
  const classical = diffieHellman({ privateKey, publicKey: publicKey("x25519", ephemeral) });
  const combined = Buffer.concat([lattice, classical, ephemeral, x25519Public, hex("5c2e2f2f5e5c")]);
  const shared = createHash("sha3-256").update(combined).digest();
  const context = Buffer.concat([Buffer.from([0]), extract(EMPTY, "psk_id_hash", EMPTY), extract(EMPTY, "info_hash", info)]);
  const secret = extract(shared, "secret", EMPTY);
  return openGCM(expand(secret, "key", context, 32), expand(secret, "base_nonce", context, 12), wrap.subarray(1120));
}

function openGCM(key, nonce, sealed) {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

// --- chunked encryption (C2SP), SHA-512 and AES-256-GCM ---------------------------------------

function readChunked(key, context, sealed) {
  const salt = sealed.subarray(0, 24);
  const info = Buffer.concat([Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"), salt, context]);
  const first = hmac("sha512", key, Buffer.concat([info, Buffer.from([1])]));
  const derived = Buffer.concat([first, hmac("sha512", key, Buffer.concat([first, info, Buffer.from([2])]))]);
  check(derived.subarray(44, 76).equals(sealed.subarray(24, 56)), "commitment");
  const plain = [];
  for (let number = 0, offset = 56; ; number++, offset += 16400) {
    const chunk = sealed.subarray(offset, offset + 16400);
    check(chunk.length >= 16, "part is cut short");
    const nonce = Buffer.from(derived.subarray(32, 44));
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ number) >>> 0, 8);
    plain.push(openGCM(derived.subarray(0, 32), nonce, chunk));
    if (chunk.length < 16400) return Buffer.concat(plain);
  }
}

function padme(size) {
  if (size < 2) return size;
  const exponent = Math.floor(Math.log2(size));
  const step = 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1));
  return Math.ceil(size / step) * step;
}

// --- a bundle ---------------------------------------------------------------------------------

function readBundle(task) {
  const container = readFileSync(task.container);
  check(container.subarray(0, 8).equals(MAGIC), "magic");
  const end = 12 + container.readUInt32BE(8);
  const jws = container.subarray(12, end).toString("ascii");
  const [head, body, tail] = jws.split(".");
  const header = JSON.parse(b64u(head));
  check(Object.keys(header).sort().join() === "alg,kid,typ", "header members");
  check(header.alg === "GW-HYB1" && header.typ === "gw-env+jws", "alg or typ");
  const sig = hex(task.sender_pub);
  check(keyID("sig", "GW-HYB1", sig) === header.kid, "kid of the signing key");
  const signature = b64u(tail);
  const message = Buffer.from(`${head}.${body}`);
  check(signature.length === 64 + 3309, "signature length");
  const halves = {
    ed25519: ed25519Verifies(sig.subarray(0, 32), message, signature.subarray(0, 64)),
    ml_dsa_65: ml_dsa65.verify(signature.subarray(64), message, sig.subarray(32)),
  };
  check(halves.ed25519 && halves.ml_dsa_65, "signature halves");

  const envelope = JSON.parse(b64u(body));
  const wrap = envelope.to.find((entry) => entry.aid === task.aid);
  const enc = hex(task.enc_pub);
  check(keyID("enc", "GW-KEM1", enc) === wrap.kid, "kid of the encryption key");
  const names = ["gw/1/wrap", null, envelope.from, header.kid, wrap.aid, wrap.kid];
  const info = lp(...names.map((name) => (name === null ? hex(envelope.bid) : Buffer.from(name))));
  const bk = unwrap(b64u(wrap.wrap), info, hex(task.ml_kem_seed), hex(task.x25519_secret), enc.subarray(1184));

  let offset = end;
  const plain = envelope.parts.map((part) => {
    const sealed = container.subarray(offset, (offset += part.size));
    check(sha256(sealed).toString("hex") === part.sha256, `digest of part ${part.n}`);
    return readChunked(bk, Buffer.concat([Buffer.from("gw/1/part\0"), hex(envelope.bid), u32(part.n)]), sealed);
  });
  check(offset === container.length, "bytes after the last part");

  const length = plain[0].readUInt32BE(0);
  const raw = plain[0].subarray(4, 4 + length);
  check(plain[0].length === 4096 * Math.ceil((4 + length) / 4096), "size of part 0");
  check(plain[0].subarray(4 + length).every((byte) => byte === 0), "padding of part 0");
  check(sha256(raw).toString("hex") === envelope.manifest, "manifest digest");
  const manifest = JSON.parse(raw);
  check(manifest.bid === envelope.bid && manifest.from === envelope.from, "manifest against envelope");
  for (const part of manifest.parts) {
    const padded = plain[part.n];
    check(padded.length === (part.pad === "none" ? part.size : padme(part.size)), `padded size of part ${part.n}`);
    check(padded.subarray(part.size).every((byte) => byte === 0), `padding of part ${part.n}`);
    check(sha256(padded.subarray(0, part.size)).toString("hex") === part.sha256, `content of part ${part.n}`);
  }
  return { bid: envelope.bid, halves, manifest: envelope.manifest, parts: manifest.parts.map((part) => part.sha256) };
}

// --- a receipt and its place in the log --------------------------------------------------------

const node = (left, right) => sha256(Buffer.concat([Buffer.from([1]), left, right]));

// RFC 9162 section 2.1.3.2.
function rootFromPath(index, size, leaf, path) {
  check(index < size, "index");
  let fn = index;
  let sn = size - 1;
  let root = leaf;
  for (const step of path) {
    check(sn !== 0, "path too long");
    if (fn % 2 === 1 || fn === sn) {
      root = node(step, root);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      root = node(root, step);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  check(sn === 0, "path too short");
  return root;
}

function noteKeyID(name, kind, pub) {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([kind]), pub])).subarray(0, 4);
}

function readCheckpoint(note, task) {
  const gap = note.indexOf("\n\n");
  const text = note.slice(0, gap + 1);
  const [origin, size, root] = text.split("\n");
  check(origin === task.origin, "origin");
  const values = (kind, pub) => {
    const wanted = noteKeyID(origin, kind, pub);
    return note
      .slice(gap + 2)
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([dash, name]) => dash === "\u2014" && name === origin)
      .map(([, , value]) => Buffer.from(value, "base64"))
      .filter((value) => value.subarray(0, 4).equals(wanted))
      .map((value) => value.subarray(4));
  };
  const classical = hex(task.log_ed25519_pub);
  const lattice = hex(task.log_ml_dsa_44_pub);
  const [one] = values(0x01, classical);
  const [six] = values(0x06, lattice);
  check(one && ed25519Verifies(classical, Buffer.from(text), one), "checkpoint signature 0x01");
  const name = Buffer.from(origin);
  const message = Buffer.concat([
    Buffer.from("subtree/v1\n\0"),
    Buffer.from([name.length]), name, six.subarray(0, 8),
    Buffer.from([name.length]), name, u64(0), u64(size), Buffer.from(root, "base64"),
  ]);
  check(ml_dsa44.verify(six.subarray(8), message, lattice), "checkpoint signature 0x06");
  return { size: Number(size), root: Buffer.from(root, "base64") };
}

function readReceipt(task) {
  const [head, body, tail] = task.jws.split(".");
  const header = JSON.parse(b64u(head));
  const pub = hex(task.rcpt_pub);
  check(header.alg === "EdDSA" && header.typ === "gw-rcpt+jws", "receipt header");
  check(header.kid === keyID("rcpt", "Ed25519", pub), "kid of the receipt key");
  check(ed25519Verifies(pub, Buffer.from(`${head}.${body}`), b64u(tail)), "receipt signature");
  const claims = JSON.parse(b64u(body));

  const digest = sha256(Buffer.from(task.jws)).toString("hex");
  check(JSON.parse(task.body).receipt === digest, "log body names another receipt");
  const commitment = sha256(Buffer.concat([Buffer.from("gw/1/log\0"), b64u(task.salt), Buffer.from(task.body)]));
  check(JSON.parse(task.leaf).c === commitment.toString("base64url"), "leaf commits to another body");

  const gap = task.proof.indexOf("\n\n");
  const [version, index, ...path] = task.proof.slice(0, gap).split("\n");
  check(version === "c2sp.org/tlog-proof@v1", "proof version");
  const checkpoint = readCheckpoint(task.proof.slice(gap + 2), task);
  const leaf = sha256(Buffer.concat([Buffer.from([0]), Buffer.from(task.leaf)]));
  const hashes = path.map((line) => Buffer.from(line, "base64"));
  const number = Number(index.replace("index ", ""));
  check(rootFromPath(number, checkpoint.size, leaf, hashes).equals(checkpoint.root), "inclusion proof");
  return { type: claims.type, bid: claims.bid, index: number, size: checkpoint.size };
}

// --- a lone wrap, for the self-test's vector ----------------------------------------------------

function readWrap(task) {
  const enc = hex(task.enc_pub);
  const info = hex(task.info);
  const bk = unwrap(hex(task.wrap), info, hex(task.ml_kem_seed), hex(task.x25519_secret), enc.subarray(1184));
  return bk.toString("hex");
}

const task = JSON.parse(readFileSync(process.argv[2], "utf8"));
const found = {};
if (task.bundle) found.bundle = readBundle(task.bundle);
if (task.receipt) found.receipt = readReceipt(task.receipt);
if (task.wrap) found.wrap = readWrap(task.wrap);
console.log(JSON.stringify(found));
