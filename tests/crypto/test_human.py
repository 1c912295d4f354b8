"""An officer's act as a third person checks it: from form, slot and the author's keys, and nothing else."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.assertion import ALGORITHMS, act_challenge, assertion_of, check_public_key, verify_assertion
from crypto.encoding import b64u, lp, unb64u
from crypto.errors import HumanRefusal, Refusal, outward_code
from crypto.human import VerifiedHuman, verify_human
from crypto.keys import ED25519, GW_HYB1, KeyUse, PrivateKey
from crypto.officer import OfficerStatement, issue_statement, read_statement
from crypto.opener import KeyInForce
from crypto.softkey import SoftKey
from gateway.demo.passkey import SoftPasskeys

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
YEAR = timedelta(days=365)
SIG = PrivateKey.generate(KeyUse.SIG, GW_HYB1)
OTHER = PrivateKey.generate(KeyUse.SIG, GW_HYB1)
REQ = PrivateKey.generate(KeyUse.REQ, ED25519)
OWN, OFFICER, PAGE = "yy-moj", "yy-do-07", "https://duty.moj.example"


@dataclass
class Act:
    """One act as its author makes it, and what the recipient knows."""

    phone: SoftPasskeys = field(default_factory=lambda: SoftPasskeys(origin=PAGE))
    author: str = OWN
    created_at: datetime = NOW
    listed: dict[tuple[str, str], KeyInForce] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    statement: OfficerStatement = None  # type: ignore[assignment]
    human: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = self.phone.create(registering())
        self.credential = made["id"]
        self.listed[OWN, SIG.public.kid] = KeyInForce(public=SIG.public, nbf=NOW - YEAR, exp=NOW + YEAR)
        self.form = {
            "message_id": f"{OWN}/{'0' * 32}",
            "author": {"authority_id": OWN, "role": "duty_officer"},
            "human": {"assurance": "passkey", "officer": OFFICER, "assertion": None},
        }
        self.statement = OfficerStatement(
            aid=OWN,
            officer=OFFICER,
            role="duty_officer",
            credential=self.credential,
            alg=-7,
            pub=self.phone._held[self.credential].key.cose(),
            rp="duty.moj.example",
            origin=PAGE,
            nbf=NOW - timedelta(days=30),
            exp=NOW + timedelta(days=335),
        )
        self.sign()

    @property
    def form_sha256(self) -> bytes:
        return hashlib.sha256(json.dumps(self.form).encode()).digest()

    def sign(self, *, by: PrivateKey = SIG, challenge: bytes | None = None) -> None:
        answer = self.phone.assertion(self.credential, challenge=challenge or act_challenge(self.form_sha256))
        self.human = {
            "assurance": "passkey",
            "officer": OFFICER,
            "assertion": assertion_of(answer).encoded(),
            "statement": issue_statement(self.statement, by.signer()),
        }

    def state(self, **changes: Any) -> None:
        """Say something else in the statement, signed by the authority all the same."""
        self.statement = replace(self.statement, **changes)
        self.human["statement"] = issue_statement(self.statement, SIG.signer())

    def verify(self) -> VerifiedHuman | None:
        return verify_human(
            self.human,
            self.form,
            author=self.author,
            form_sha256=self.form_sha256,
            created_at=self.created_at,
            now=NOW + timedelta(hours=1),
            find_key=self.find,
        )

    def find(self, aid: str, kid: str) -> KeyInForce:
        if (aid, kid) not in self.listed:
            raise Refusal("unknown-key")
        return self.listed[aid, kid]


def registering() -> dict[str, Any]:
    return {"rp": {"id": "duty.moj.example"}, "user": {"id": "dXNlcg"}, "challenge": b64u(bytes(32))}


@pytest.fixture
def act() -> Act:
    return Act()


def test_an_act_signed_by_passkey_says_who_acted(act: Act) -> None:
    verified = act.verify()
    assert verified is not None
    assert (verified.assurance, verified.officer) == ("passkey", OFFICER)
    assert verified.statement == act.statement


def test_the_challenge_is_the_one_that_is_written_down() -> None:
    form = hashlib.sha256(b"form").digest()
    text = b"\x00\x00\x00\x0agw/1/human" + b"\x00\x00\x00\x20" + form
    assert (
        act_challenge(form)
        == hashlib.sha256(text).digest()
        == hashlib.sha256(lp(b"gw/1/human", form)).digest()
    )


def _edited(act: Act, **changes: Any) -> None:
    """Change members of the client data, and sign them again with the officer's own passkey."""
    said = {
        "type": "webauthn.get",
        "challenge": b64u(act_challenge(act.form_sha256)),
        "origin": PAGE,
        "crossOrigin": False,
    } | changes
    client = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
    data = unb64u(act.phone.assertion(act.credential, challenge=b"")["response"]["authenticatorData"])
    _put(act, client=client, data=data)


def _put(act: Act, *, client: bytes, data: bytes) -> None:
    signature = act.phone._held[act.credential].key.sign(data + hashlib.sha256(client).digest())
    members = {
        "id": act.credential,
        "authenticatorData": b64u(data),
        "clientDataJSON": b64u(client),
        "signature": b64u(signature),
    }
    act.human["assertion"] = b64u(json.dumps(members).encode())


def _other_form(act: Act) -> None:
    act.form = act.form | {"message_id": f"{OWN}/{'1' * 32}"}


def _other_passkey(act: Act) -> None:
    act.credential = act.phone.create(registering())["id"]
    answer = act.phone.assertion(act.credential, challenge=act_challenge(act.form_sha256))
    act.human["assertion"] = assertion_of(answer).encoded()


def _other_key_same_name(act: Act) -> None:
    act.phone._held[act.credential].key = SoftKey.generate()
    answer = act.phone.assertion(act.credential, challenge=act_challenge(act.form_sha256))
    act.human["assertion"] = assertion_of(answer).encoded()


def _unverified(act: Act) -> None:
    act.phone.verifies = False
    act.sign()


def _absent(act: Act) -> None:
    data = hashlib.sha256(b"duty.moj.example").digest() + b"\x04" + bytes(4)
    client = act.phone._client_data("webauthn.get", b64u(act_challenge(act.form_sha256)))
    _put(act, client=client, data=data)


def _other_host(act: Act) -> None:
    data = hashlib.sha256(b"evil.example").digest() + b"\x05" + bytes(4)
    client = act.phone._client_data("webauthn.get", b64u(act_challenge(act.form_sha256)))
    _put(act, client=client, data=data)


def _revoked(act: Act, **how: Any) -> None:
    key = act.listed[OWN, SIG.public.kid]
    act.listed[OWN, SIG.public.kid] = replace(key, status="revoked", **how)


def _flipped_statement(act: Act) -> None:
    text = act.human["statement"]
    act.human["statement"] = text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]


def _of_another_use(act: Act) -> None:
    act.listed[OWN, SIG.public.kid] = KeyInForce(public=REQ.public, nbf=NOW - YEAR, exp=NOW + YEAR)


def _say(act: Act, **changes: Any) -> None:
    act.human |= changes


def _approve(act: Act) -> None:
    act.form = act.form | {"author": {"authority_id": OWN, "role": "approver"}}
    act.sign()


def _claim_less(act: Act) -> None:
    act.form = act.form | {"human": {"assurance": "local_operator", "officer": OFFICER, "assertion": None}}
    act.sign()


def _name_other(act: Act) -> None:
    act.form = act.form | {"human": {"assurance": "passkey", "officer": "yy-do-08", "assertion": None}}
    act.sign()


WRONG: dict[str, tuple[Callable[[Act], Any], str]] = {
    "an assertion over another form": (_other_form, "human-digest"),
    "an assertion over any other challenge": (lambda a: a.sign(challenge=bytes(32)), "human-digest"),
    "the form's digest without its context": (lambda a: a.sign(challenge=a.form_sha256), "human-digest"),
    "another ceremony": (lambda a: _edited(a, type="webauthn.create"), "human-form"),
    "another page": (lambda a: _edited(a, origin="https://evil.example"), "human-origin"),
    "a page within another one": (lambda a: _edited(a, crossOrigin=True), "human-origin"),
    "a page that says within which one": (lambda a: _edited(a, topOrigin=PAGE), "human-origin"),
    "a word for the page within another one": (lambda a: _edited(a, crossOrigin="no"), "human-origin"),
    "a passkey of another host": (_other_host, "human-origin"),
    "no finger, face or PIN": (_unverified, "human-unverified"),
    "nobody there": (_absent, "human-unverified"),
    "another passkey of the same officer": (_other_passkey, "human-credential"),
    "another key under the same name": (_other_key_same_name, "human-signature"),
    "a passkey that has ended": (lambda a: a.state(exp=NOW - timedelta(seconds=1)), "human-expired"),
    "a passkey that has not begun": (lambda a: a.state(nbf=NOW + timedelta(seconds=1)), "human-expired"),
    "a statement of another authority": (lambda a: setattr(a, "author", "zz-moj"), "human-authority"),
    "a statement about another authority": (lambda a: a.state(aid="zz-moj"), "human-key"),
    "a statement by a key nobody lists": (lambda a: a.sign(by=OTHER), "human-key"),
    "a statement by a key of another use": (_of_another_use, "human-key"),
    "a statement by a key revoked before": (
        lambda a: _revoked(a, reason="superseded", revoked_at=NOW - YEAR / 2),
        "human-key",
    ),
    "a statement by a compromised key": (lambda a: _revoked(a, reason="compromise"), "human-key"),
    "a changed statement": (_flipped_statement, "human-statement"),
    "a statement of no such form": (lambda a: _say(a, statement="a.b.c"), "human-statement"),
    "a statement with a letter that is none": (lambda a: _say(a, statement="ä"), "human-form"),
    "another officer in the manifest": (lambda a: _say(a, officer="yy-do-08"), "human-differs"),
    "another officer in the form": (_name_other, "human-differs"),
    "a form that says less": (_claim_less, "human-differs"),
    "another officer in the statement": (lambda a: a.state(officer="yy-do-08"), "human-differs"),
    "an approver's act by a duty officer": (_approve, "human-role"),
    "no assertion": (lambda a: _say(a, assertion=None), "human-form"),
    "no statement": (lambda a: _say(a, statement=None), "human-form"),
    "no officer": (lambda a: _say(a, officer=None), "human-form"),
    "an assertion that is too long": (lambda a: _say(a, assertion="A" * 20_000), "human-form"),
    "an assertion that is no object": (lambda a: _say(a, assertion=b64u(b"[1]")), "human-form"),
    "a number for an assurance": (lambda a: _say(a, assurance=7), "human-form"),
    "a list for an officer": (lambda a: _say(a, officer=["yy-do-07"]), "human-form"),
    "a sentence for an officer": (lambda a: _say(a, officer="Jane Doe <b>"), "human-form"),
    "one person on the telephone": (
        lambda a: _say(a, assurance="second_person_telephone", second_officer=OFFICER),
        "human-form",
    ),
    "one person on the telephone, spelled otherwise": (
        lambda a: _say(a, assurance="second_person_telephone", second_officer=OFFICER.upper()),
        "human-form",
    ),
    "a telephone without a second person": (
        lambda a: _say(a, assurance="second_person_telephone"),
        "human-form",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_prove_the_act_is_refused_by_its_own_code(act: Act, name: str) -> None:
    spoil, code = WRONG[name]
    spoil(act)
    with pytest.raises(HumanRefusal) as refused:
        act.verify()
    assert refused.value.code == code
    assert outward_code(refused.value.code) == "form-invalid"


def test_a_key_that_was_only_replaced_still_proves_what_it_signed_before(act: Act) -> None:
    _revoked(act, reason="superseded", revoked_at=NOW + timedelta(minutes=1))
    assert act.verify() is not None


def test_a_directory_that_is_too_old_is_our_lateness(act: Act) -> None:
    def late(aid: str, kid: str) -> KeyInForce:
        raise Refusal("directory-stale")

    act.find = late  # type: ignore[method-assign]
    with pytest.raises(Refusal, match="directory-stale") as refused:
        act.verify()
    assert not isinstance(refused.value, HumanRefusal)


@pytest.mark.parametrize(
    ("claimed", "kept"),
    [
        ("local_operator", "local_operator"),
        ("token", "local_operator"),
        ("quantum_seal", "local_operator"),
    ],
)
def test_a_claim_that_nobody_can_verify_counts_as_the_operators_word(
    act: Act, claimed: str, kept: str
) -> None:
    act.human = {"assurance": claimed, "officer": OFFICER, "assertion": None, "statement": None}
    verified = act.verify()
    assert verified is not None
    assert (verified.assurance, verified.officer, verified.statement) == (kept, OFFICER, None)


def test_an_operator_may_be_called_as_the_local_interface_allows(act: Act) -> None:
    act.human = {"assurance": "local_operator", "officer": "desk/3+night"}
    verified = act.verify()
    assert verified is not None
    assert verified.officer == "desk/3+night"
    for odd in ("", "a\0b", "é", "x" * 65):
        act.human["officer"] = odd
        with pytest.raises(HumanRefusal):
            act.verify()


def test_two_persons_by_telephone_are_kept_by_name(act: Act) -> None:
    act.human = {"assurance": "second_person_telephone", "officer": OFFICER, "second_officer": "yy-do-09"}
    verified = act.verify()
    assert verified is not None
    assert (verified.assurance, verified.second) == ("second_person_telephone", "yy-do-09")


def test_a_message_without_the_slot_names_nobody(act: Act) -> None:
    act.human = None  # type: ignore[assignment]
    assert act.verify() is None


def test_a_statement_that_demands_what_we_do_not_know_is_a_version(act: Act) -> None:
    from crypto.jws import sign_compact

    text = json.dumps({"v": 2}).encode()
    jws = sign_compact(text, alg=GW_HYB1, typ="gw-officer+jws", signer=SIG.signer()).decode()
    with pytest.raises(Refusal, match="version"):
        read_statement(jws, lambda aid, kid: SIG.public)


def test_a_receipt_or_an_envelope_is_no_statement(act: Act) -> None:
    from crypto.jws import sign_compact

    payload = unb64u(act.human["statement"].split(".")[1])
    jws = sign_compact(payload, alg=GW_HYB1, typ="gw-env+jws", signer=SIG.signer()).decode()
    with pytest.raises(Refusal, match="version"):
        read_statement(jws, lambda aid, kid: SIG.public)


def test_a_passkey_that_counts_backwards_is_refused_where_its_count_is_known(act: Act) -> None:
    said = act.statement
    challenge = act_challenge(act.form_sha256)
    with pytest.raises(HumanRefusal) as refused:
        verify_assertion(
            assertion_of(act.phone.assertion(act.credential, challenge=challenge)),
            challenge=challenge,
            rp=said.rp,
            origin=said.origin,
            credential=said.credential,
            pub=said.pub,
            alg=said.alg,
            sign_count=5,
        )
    assert refused.value.code == "human-signature"


@pytest.mark.parametrize("pub", [b"", b"\x04" + bytes(64), b"\xa0", b"\x80", b"\xf6", bytes(2000), b"\xff"])
def test_what_is_no_key_of_a_passkey_is_refused(pub: bytes) -> None:
    for alg in (*ALGORITHMS, -37, -6, 5):
        with pytest.raises(HumanRefusal):
            check_public_key(pub, alg)


def test_nothing_secret_or_long_shows_in_the_text_of_a_slot(act: Act) -> None:
    verified = act.verify()
    assert verified is not None
    assert act.human["assertion"][:40] not in repr(verified)
    assert "pub=" not in repr(act.statement)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
SLOT = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.sampled_from(["passkey", "token", OFFICER, b64u(b"{}")])
        for name in ("assurance", "officer", "second_officer", "assertion", "statement")
    },
)
_ACT = Act()


@settings(max_examples=40, deadline=None)
@given(slot=SLOT, form=st.dictionaries(st.sampled_from(["human", "author"]), JSON, max_size=2))
def test_a_slot_of_any_shape_is_read_or_refused_and_nothing_else_happens(
    slot: Mapping[str, Any], form: Mapping[str, Any]
) -> None:
    for human in (slot, {**_ACT.human, **slot}):
        try:
            verified = verify_human(
                human,
                form,
                author=OWN,
                form_sha256=bytes(32),
                created_at=NOW,
                now=NOW,
                find_key=_ACT.find,
            )
        except HumanRefusal:
            continue
        assert verified is not None
        assert verified.assurance != "passkey"


@settings(max_examples=80, deadline=None)
@given(
    data=st.binary(max_size=300),
    client=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    pub=st.binary(min_size=1, max_size=120),
    alg=st.sampled_from([*ALGORITHMS, -8, -35]),
)
def test_bytes_of_any_shape_for_assertion_and_key_are_refused(
    data: bytes, client: bytes, pub: bytes, alg: int
) -> None:
    client_data = json.dumps({"type": "webauthn.get", "challenge": b64u(bytes(32)), "origin": PAGE}).encode()
    host = hashlib.sha256(b"duty.moj.example").digest() + b"\xc5" + data
    for said, key in ((client, _ACT.statement.pub), (client_data, pub), (client_data, _ACT.statement.pub)):
        answer = {
            "id": _ACT.credential,
            "response": {
                "authenticatorData": b64u(host),
                "clientDataJSON": b64u(said),
                "signature": b64u(data),
            },
        }
        with pytest.raises(HumanRefusal):
            verify_assertion(
                assertion_of(answer),
                challenge=bytes(32),
                rp="duty.moj.example",
                origin=PAGE,
                credential=_ACT.credential,
                pub=key,
                alg=alg,
            )
