"""The packaged samples: what they state, who they name, and that they stay what the schemas ask for."""

from gateway.demo.documents import Enclosed
from gateway.demo.samples import HEADLINES, LARGE_EVIDENCE, read_directory, read_samples, read_wording
from gateway.services.forms import check_form

SAMPLES = read_samples()


def test_every_sample_fits_the_schema_of_requests() -> None:
    assert [check_form(dict(sample.form), "request") for sample in SAMPLES] == [()] * 6


def test_every_sample_fits_the_schema_with_the_true_sizes_filled_in(enclosed: tuple[Enclosed, ...]) -> None:
    assert [check_form(dict(request.form), "request") for request in enclosed] == [()] * 6


def test_the_lab_directory_lists_exactly_the_authorities_of_the_samples_and_their_states() -> None:
    directory = read_directory()
    named = {aid for sample in SAMPLES for aid in (sample.requesting, sample.requested)}
    assert {row["authority_id"] for row in directory["authorities"]} == named
    assert len(named) == 12
    assert {row["state"] for row in directory["states"]} == {r["state"] for r in directory["authorities"]}
    whole = {"schema_version": "1.0", "kind": "authority_directory", **directory}
    assert not [p for p in check_form(whole, "directory") if "authorities" in p.path or "states" in p.path]


def test_nothing_in_the_lab_directory_leads_anywhere_real() -> None:
    for row in read_directory()["authorities"]:
        assert row["keys"] == []
        assert all(phone["number"].startswith("+999") for phone in row["phones"])
        assert all(contact["email"].endswith(".example.org") for contact in row["contacts"])


def test_every_sample_has_a_headline_and_the_large_evidence_exists() -> None:
    assert set(HEADLINES) == {sample.name for sample in SAMPLES}
    name, attachment_id = LARGE_EVIDENCE
    large = next(sample for sample in SAMPLES if sample.name == name)
    assert attachment_id in {row["attachment_id"] for row in large.attachments}


def test_the_wording_says_the_same_things_in_every_language() -> None:
    wording = read_wording()
    shapes = {
        language: {
            name: sorted(words) if isinstance(words, dict) else type(words) for name, words in texts.items()
        }
        for language, texts in wording.items()
    }
    assert set(wording) == {"en", "fr", "es", "ar"}
    assert all(shape == shapes["en"] for shape in shapes.values())
