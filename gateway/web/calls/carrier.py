"""Media that a person carries: writing one, and taking one in."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.web.calls.shape import Officer, Value, call

_Folder = Annotated[
    str, msgspec.Meta(min_length=1, max_length=4096, description="absolute path of a folder on the medium")
]


class CarrierExportParams(Value, kw_only=True):
    """Where to write, for whom, and how the medium travels."""

    folder: _Folder
    peer: (
        Annotated[
            str, msgspec.Meta(max_length=63, description="everything under way to it, not only what waits")
        ]
        | None
    ) = None
    by: Literal["courier", "diplomatic", "interpol"] = "courier"
    officer: Officer = "local"


class CarriedBundleView(Value, kw_only=True):
    """A bundle on the medium; ``is_new`` false if its file lay there already."""

    bid: str
    lane: str
    size: int
    envelope: Annotated[str, msgspec.Meta(description="SHA-256 of its envelope, which the words stand for")]
    words: Annotated[str, msgspec.Meta(description="to be compared by telephone")]
    expires: datetime
    is_new: bool


class HeldBundleView(Value, kw_only=True):
    """A bundle that was not written, and why."""

    bid: str
    code: str


class CarriedFolderView(Value, kw_only=True):
    """What lies on the medium for one authority; ``cover`` is the sheet to print."""

    to: str
    name: str
    way: str
    path: str
    cover: str
    bundles: list[CarriedBundleView]
    receipts: int
    notices: int
    held: list[HeldBundleView]


class CarrierExportResult(Value, kw_only=True):
    """A folder for each authority for which something waited."""

    folders: list[CarriedFolderView]


class CarrierImportParams(Value, kw_only=True):
    """Which medium to take in; ``answer`` writes the receipts back onto it."""

    folder: _Folder
    answer: bool = False


class TakenFileView(Value, kw_only=True):
    """What came of one file.

    Attributes:
        outcome: taken; known (taken before); refused; left (not for us, or none of ours).
    """

    name: str
    kind: str | None
    outcome: Literal["taken", "known", "refused", "left"]
    code: str | None
    sentence: str
    sender: str | None
    bid: str | None
    words: str | None


class CarrierImportResult(Value, kw_only=True):
    """Every file with its outcome; ``answers`` were written back onto the medium."""

    files: list[TakenFileView]
    answers: list[str]


CARRIER_EXPORT = call(
    "exportMedium",
    "POST",
    "/v1/carrier/exports",
    "Write what waits for a carrier to a medium, with cover sheets; durable when it is answered",
    params=CarrierExportParams,
    result=CarrierExportResult,
    writes=True,
)
CARRIER_IMPORT = call(
    "importMedium",
    "POST",
    "/v1/carrier/imports",
    "Take in what a medium brought; every file has its outcome",
    params=CarrierImportParams,
    result=CarrierImportResult,
    writes=True,
    queues=True,
)
