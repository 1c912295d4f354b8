"""What stands in the letters, orders and lists that the sample requests enclose.

Turns a request form into plain data for one page layout (``page.typ``), in the language of the
document. Decides which facts appear in which document; leaves looks to the layout and bytes to
``documents``. Reads no clock and no file system beyond the package: the same form gives the same data.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.demo.samples import Sample, read_annexes, read_wording

#: Data of one document or of a part of it; only strings, lists and further blocks.
Block = dict[str, Any]
Form = Mapping[str, Any]


def compose(sample: Sample, attachment: Mapping[str, Any]) -> Block:
    """Return the data of one enclosed document. Raises ``KeyError`` for a language without wording."""
    return _Writer(sample, attachment).document()


class _Writer:
    """One document being written: form, language and wording at hand."""

    def __init__(self, sample: Sample, attachment: Mapping[str, Any]) -> None:
        self.attachment = attachment
        self.language: str = attachment["language"]
        self.words = read_wording()[self.language]
        self.comma = "، " if self.words["direction"] == "rtl" else ", "
        self.original_language: str = sample.form["language"]
        self.form: Form = sample.form
        if self.language != self.original_language:
            texts = read_annexes()["translations"].get(sample.name, {}).get(self.language, {})
            self.form = _overlaid(sample.form, texts)

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

    def _decision(self, heading: str, decision: Form, reference: str) -> Block:
        words = self.words
        return {
            "heading": words[heading],
            "pairs": [
                [words["title"], decision["type"]],
                [words["reference"], reference],
                [words["issued_by"], decision["issued_by"]],
                [words["issued_on"], self._date(decision["issued_at"])],
            ],
        }

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

    # Parts of a letter

    def _summary(self) -> list[list[str]]:
        form, words = self.form, self.words
        rows = [
            [words["reference"], self._ltr(form["reference_requesting"])],
            [words["case_number"], form["proceeding"]["national_case_number"]],
            [words["urgency"], words["urgency_levels"][form["urgency"]["level"]]],
            [words["confidentiality"], words["confidentiality_levels"][form["confidentiality"]["level"]]],
        ]
        if form["urgency"].get("reason"):
            rows[2][1] += f" – {form['urgency']['reason']}"
        if form.get("respond_by"):
            date, reason = self._date(form["respond_by"]["date"]), form["respond_by"]["reason"]
            rows.append([words["respond_by"], f"{date} – {reason}"])
        return rows

    def _opening(self) -> str:
        bases = [self._basis(row) for row in self.form["instruments"]]
        return str(self.words["opening"]).format(
            authority=self.form["requesting_authority"]["name"],
            addressee=self.form["requested_authority"]["name"],
            basis=self.words["and"].join(bases),
        )

    def _basis(self, instrument: Form) -> str:
        name = str(self.words["instruments"][instrument["code"]])
        articles = instrument["articles"]
        if not articles:
            return name
        pattern = self.words["article" if len(articles) == 1 else "articles"]
        return str(pattern).format(
            instrument=name, articles=self.comma.join(self._ltr(article) for article in articles)
        )

    def _request(self) -> Iterable[Block]:
        form, words = self.form, self.words
        proceeding = form["proceeding"]
        conducting = proceeding["conducting_authority"]
        yield {
            "heading": words["proceeding"],
            "paragraphs": [f"{proceeding['nature']}. {conducting['name']} – {conducting['functions']}."],
        }
        yield from self._offences()
        yield from self._facts()
        if form.get("link_to_requested_state"):
            yield {"heading": words["link"], "paragraphs": [form["link_to_requested_state"]]}
        yield {"heading": words["grounds"], "paragraphs": [form["scope"]["reasonable_grounds"]]}
        yield from self._persons()
        yield self._assistance()
        yield from self._property()
        yield from self._kind_details()
        yield {"heading": words["purpose"], "paragraphs": [form["purpose"]]}
        if form.get("dual_criminality_note"):
            yield {"heading": words["dual_criminality"], "paragraphs": [form["dual_criminality_note"]]}
        if form.get("assurances"):
            yield {
                "heading": words["assurances"],
                "numbered": [[row["text"], []] for row in form["assurances"]],
            }
        yield {
            "heading": words["enclosures"],
            "numbered": [
                [f"{row['title']} ({self._ltr(row['filename'])})", []]
                for row in form["attachments"]
                if row["role"] not in {"request_letter", self.attachment["role"]}
            ],
        }
        yield {
            "heading": words["contact"],
            "paragraphs": [
                " · ".join([row["office"], self._ltr(row["email"]), self._ltr(row["phone"])])
                for row in form["contacts"]
            ],
        }

    def _offences(self) -> Iterable[Block]:
        words = self.words
        yield {
            "heading": words["offences"],
            "table": {
                "columns": [words["offence"], words["provisions"], words["penalty"]],
                "rows": [
                    [row["title"], row["provisions"], row["max_penalty"]] for row in self.form["offences"]
                ],
                "widths": [3, 4, 2.4],
            },
        }

    def _facts(self) -> Iterable[Block]:
        yield {"heading": self.words["facts"], "paragraphs": [self.form["facts_summary"]]}

    def _persons(self, only: str | None = None) -> Iterable[Block]:
        words = self.words
        chosen = [person for person in self.form["persons"] if only in {None, person["role"]}]
        for number, person in enumerate(chosen):
            names = [name["full"] for name in person["names"]]
            rows = [
                [words["person"], " / ".join(names)],
                [words["capacity"], words["roles"][person["role"]]],
            ]
            born = [self._date(person["date_of_birth"])] if person.get("date_of_birth") else []
            born += [person["place_of_birth"]] if person.get("place_of_birth") else []
            known = {
                "born": self.comma.join(born),
                "nationality": self.comma.join(
                    words["states"][code] for code in person.get("nationalities", ())
                ),
                "identifiers": self.comma.join(
                    self._ltr(row["value"]) for row in person.get("identifiers", ())
                ),
                "location": person.get("location", ""),
                "description": person.get("description", ""),
            }
            rows += [[words[label], text] for label, text in known.items() if text]
            yield {"heading": words["persons"] if number == 0 else None, "pairs": rows}

    def _assistance(self) -> Block:
        entries = []
        for item in self.form["assistance"]:
            notes = []
            if item.get("procedure_requested"):
                notes.append([self.words["procedure"], item["procedure_requested"]])
            slots = item.get("details", {}).get("proposed_slots", ())
            if slots:
                times = "; ".join(f"{self._slot(slot)}" for slot in slots)
                notes.append([self.words["slots"], times])
            entries.append([item["description"], notes])
        return {"heading": self.words["assistance"], "numbered": entries}

    def _property(self) -> Iterable[Block]:
        words = self.words
        rows = [
            [thing["description"], thing["location"], self._money(thing["estimated_value"])]
            for item in self.form["assistance"]
            for thing in item.get("details", {}).get("property", ())
        ]
        if rows:
            columns = [words["property"], words["property_place"], words["value"]]
            yield {
                "heading": words["properties"],
                "table": {"columns": columns, "rows": rows, "widths": [4, 3, 2.4]},
            }

    def _kind_details(self) -> Iterable[Block]:
        details, words = self.form.get("kind_details", {}), self.words
        if "data_items" in details:
            yield {
                "heading": words["data"],
                "numbered": [
                    [
                        item["description"],
                        [
                            [
                                words["identifiers"],
                                "; ".join(_identifier(row) for row in item["identifiers"]),
                            ],
                            [
                                words["period"],
                                f"{_instant(item['period']['from'])} – {_instant(item['period']['to'])}",
                            ],
                        ],
                    ]
                    for item in details["data_items"]
                ],
            }
            yield {"heading": words["custodian"], "paragraphs": [details["custodian"]["name"]]}
            yield {"heading": words["necessity"], "paragraphs": [details["necessity"]]}
        if "warrant" in details:
            yield self._decision("warrant", details["warrant"], self._ltr(details["warrant"]["reference"]))
            yield from self._limitation()
        if "file_inventory" in details:
            yield {
                "heading": words["inventory"],
                "table": {
                    "columns": [words["number"], words["title"], words["pages"]],
                    "rows": [
                        [str(row["no"]), row["title"], "–" if row["pages"] is None else str(row["pages"])]
                        for row in details["file_inventory"]
                    ],
                    "widths": [1, 8, 1.6],
                },
            }

    def _limitation(self) -> Iterable[Block]:
        limitation = self.form.get("kind_details", {}).get("limitation")
        if limitation:
            yield {"heading": self.words["limitation"], "paragraphs": [limitation["statement"]]}

    # Small things

    def _pairs(self, row: Form, **labels: str | None) -> list[list[str]]:
        return [[self.words[label], row[name or label]] for label, name in labels.items()]

    def _place_and_date(self) -> str:
        approval = self.form["approval"]
        return f"{approval['place']}{self.comma}{self._date(approval['signed_at'])}"

    def _date(self, text: str) -> str:
        year, month, day = text[:10].split("-")
        name = self.words["months"][int(month) - 1]
        return str(self.words["date"]).format(day=int(day), month=name, year=year)

    def _slot(self, slot: Form) -> str:
        start, end = datetime.fromisoformat(slot["start"]), datetime.fromisoformat(slot["end"])
        hours = self._ltr(f"{start:%H:%M}–{end:%H:%M}")
        return f"{self._date(slot['start'])} {hours}"

    def _money(self, value: Form) -> str:
        return f"{value['currency']} {float(value['amount']):,.0f}".replace(",", " ")

    def _ltr(self, text: str) -> str:
        """Keep references, addresses and numbers of articles in one piece inside right-to-left text."""
        return f"\u2066{text}\u2069" if self.words["direction"] == "rtl" else text


def _identifier(row: Form) -> str:
    port = f":{row['port']}" if row.get("port") else ""
    at = f" ({_instant(row['at'])})" if row.get("at") else ""
    return f"{row['value']}{port}{at}"


def _instant(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def _overlaid(original: Any, texts: Any) -> Any:
    """Return the form with the texts of a translation put over it, member by member."""
    if isinstance(texts, Mapping):
        return {
            **original,
            **{name: _overlaid(original.get(name, {}), value) for name, value in texts.items()},
        }
    if isinstance(texts, list):
        return [_overlaid(row, text) for row, text in zip(original, texts, strict=True)]
    return texts
