"""Exporting cases: how the call is done."""

from collections.abc import Mapping
from pathlib import Path

from gateway.errors import GatewayRefusal
from gateway.web.calls import Progress
from gateway.web.calls.exports import CASE_EXPORT, ExportParams, ExportResult
from gateway.web.operations.desk import Desk, Handler, view


async def _export(desk: Desk, params: ExportParams, progress: Progress) -> ExportResult:
    folder = Path(params.directory)
    if not folder.is_absolute():
        raise GatewayRefusal("folder-unusable", field="directory")
    done = await desk.exports.export(params.ref, folder, officer=params.officer, progress=progress)
    return view(ExportResult, done)


HANDLERS: Mapping[str, Handler] = {CASE_EXPORT.name: _export}
