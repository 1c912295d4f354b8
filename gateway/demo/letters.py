"""What stands in the letters, orders and lists that the sample requests enclose.

Turns a request form into plain data for one page layout (``page.typ``), in the language of the
document. Decides which facts appear in which document; leaves looks to the layout and bytes to
``documents``. Reads no clock and no file system beyond the package: the same form gives the same data.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.demo.lettersections import Block, Sections
from gateway.demo.samples import Sample, read_annexes


def compose(sample: Sample, attachment: Mapping[str, Any]) -> Block:
    """Return the data of one enclosed document. Raises ``KeyError`` for a language without wording."""
    return _Writer(sample, attachment).document()


class _Writer(Sections):
    """One document being written."""

    def document(self) -> Block:
        """Return the whole document: letterhead, body by role, signature."""
        writers: Mapping[str, Callable[[], Block]] = {
            "request_letter": self._letter,
            "translation": self._translation,
            "legal_provisions": self._provisions,
            "warrant": self._warrant,
            "domestic_order": self._order,
            "identity_evidence": self._identity,
            "question_list": self._questions,
            "supporting_evidence": self._accounts,
        }
        body = writers[self.attachment["role"]]()
        sender, approval = self.form["requesting_authority"], self.form["approval"]
        frame: Block = {
            "language": self.language,
            "direction": self.words["direction"],
            "colon": self.words["colon"],
            "notice": self.words["notice"],
            "specimen": self.words["specimen"],
            "page_words": [self.words["page"], self.words["of"]],
            "reference": self._ltr(self.form["reference_requesting"]),
            "sender": {
                "state": self.words["states"][sender["state"]],
                "name": sender["name"],
                "function": sender["function"],
            },
            "place_and_date": self._place_and_date(),
            "addressee": None,
            "subtitle": None,
            "summary": [],
            "signature": {
                "capacity": approval["capacity"],
                "office": approval["signing_office"],
                "signed": self._place_and_date(),
            },
        }
        return {**frame, **body}

    # Documents

    def _letter(self) -> Block:
        form, words = self.form, self.words
        addressee = form["requested_authority"]
        return {
            "title": words["titles"][form["request_kind"]],
            "subtitle": form["proceeding"]["subject_matter"],
            "addressee": {
                "label": words["to"],
                "name": addressee["name"],
                "state": words["states"][addressee["state"]],
            },
            "summary": self._summary(),
            "sections": [
                {"heading": None, "paragraphs": [self._opening()]},
                *self._request(),
                {
                    "heading": None,
                    "paragraphs": [
                        words["closing"].format(authority=self.form["requesting_authority"]["name"])
                    ],
                },
            ],
        }

    def _translation(self) -> Block:
        letter = self._letter()
        note = self.words["translation_note"].format(
            reference=self._ltr(self.form["reference_requesting"]),
            language=self.words["languages"][self.original_language],
        )
        letter["sections"].insert(0, {"heading": None, "paragraphs": [note]})
        return letter

    def _provisions(self) -> Block:
        return self._annex(
            {"heading": None, "paragraphs": [self.words["statute_note"]]},
            *(
                {
                    "heading": offence["title"],
                    "pairs": self._pairs(offence, provisions=None, penalty="max_penalty", conduct=None),
                }
                for offence in self.form["offences"]
            ),
            *self._limitation(),
        )

    def _warrant(self) -> Block:
        warrant = self.form["kind_details"]["warrant"]
        return self._annex(
            self._decision("warrant", warrant, self._ltr(warrant["reference"])),
            *self._persons(),
            *self._facts(),
            *self._offences(),
        )

    def _order(self) -> Block:
        order = self.form["kind_details"]["domestic_order"]
        return self._annex(
            self._decision("order", order, self.form["proceeding"]["national_case_number"]),
            *self._facts(),
            *self._property(),
            *self._offences(),
        )

    def _identity(self) -> Block:
        words = self.words
        prints = {"hands": words["hands"], "fingers": words["fingers"]}
        return self._annex(*self._persons(), {"heading": words["fingerprints"], "prints": prints})

    def _questions(self) -> Block:
        questions = [[text, []] for text in read_annexes()["questions"]]
        hearing = self._persons(only="witness")
        return self._annex(*hearing, {"heading": self.words["to_be_put"], "numbered": questions})

    def _accounts(self) -> Block:
        accounts = read_annexes()["accounts"]
        table = {"columns": accounts["columns"], "rows": accounts["rows"], "widths": [2, 5, 4, 2.4]}
        return self._annex(
            *self._facts(),
            {"heading": accounts["heading"], "table": table},
            {"heading": accounts["conclusion_heading"], "paragraphs": [accounts["conclusion"]]},
        )

    def _annex(self, *sections: Block) -> Block:
        """Return an enclosure: its own title, and the case it belongs to."""
        number = self.form["proceeding"]["national_case_number"]
        return {
            "title": self.attachment_title(),
            "subtitle": self.form["proceeding"]["subject_matter"],
            "summary": [
                [self.words["reference"], self._ltr(self.form["reference_requesting"])],
                [self.words["case_number"], number],
            ],
            "sections": list(sections),
        }

    def attachment_title(self) -> str:
        """Return the title as the form, in this document's language, lists it."""
        own = self.attachment["attachment_id"]
        rows = self.form["attachments"]
        return next(str(row["title"]) for row in rows if row["attachment_id"] == own)
