"""Media that a person carries: how the calls about them are done."""

from collections.abc import Mapping
from pathlib import Path

from gateway.errors import GatewayRefusal
from gateway.web import calls
from gateway.web.calls import (
    CarriedFolderView,
    CarrierExportParams,
    CarrierExportResult,
    CarrierImportParams,
    CarrierImportResult,
    Progress,
)
from gateway.web.operations.desk import Desk, Handler, view


async def _export(desk: Desk, params: CarrierExportParams, progress: Progress) -> CarrierExportResult:
    written = await desk.carrier_export.export(
        _absolute(params.folder), peer=params.peer, by=params.by, officer=params.officer, progress=progress
    )
    return CarrierExportResult(folders=[view(CarriedFolderView, folder) for folder in written])


async def _import(desk: Desk, params: CarrierImportParams, progress: Progress) -> CarrierImportResult:
    taken = await desk.carrier_import.take(_absolute(params.folder), answer=params.answer, progress=progress)
    return view(CarrierImportResult, taken)


def _absolute(folder: str) -> Path:
    path = Path(folder)
    if not path.is_absolute():
        raise GatewayRefusal("folder-unusable", field="folder")
    return path


HANDLERS: Mapping[str, Handler] = {
    calls.CARRIER_EXPORT.name: _export,
    calls.CARRIER_IMPORT.name: _import,
}
