"""What letters, orders and lists are made of: the facts of a form, worded in the language of the document.

Each method returns one section, or none where the form says nothing of it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.demo.samples import Sample, read_annexes, read_wording

#: Data of one document or of a part of it; only strings, lists and further blocks.
Block = dict[str, Any]
Form = Mapping[str, Any]


class Sections:
    """The sections that one document may have: form, language and wording at hand."""

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
