"""The settings of one authority: one TOML file, one frozen tree, a unit in every name.

``sections`` says what a file may say, ``reading`` what its parts must say together, ``writing`` makes one,
``home`` knows where things lie. Unknown keys are refused with their path; no secret stands here, only paths
of files that hold one. The network is fixed when the home is made. A new section needs its class, a line in
``Settings``, its keys in the template of ``writing``, and a check in ``reading`` where they depend on others.
"""

from gateway.config.home import (
    HOME_VARIABLE,
    SETTINGS_FILE,
    HomePaths,
    find_home,
    is_home_named,
    with_password,
)
from gateway.config.reading import parse_settings, read_settings, split_address
from gateway.config.sections import (
    AlarmSettings,
    AuthoritySettings,
    DatabaseSettings,
    DeliverySettings,
    DirectorySettings,
    DrillSettings,
    DropSettings,
    DutySettings,
    EscalationSettings,
    LadderSettings,
    LogSettings,
    MailboxSettings,
    MailServerSettings,
    MailSettings,
    NetworkSettings,
    PeerSettings,
    Settings,
    SettingsError,
    StorageSettings,
    TelemetrySettings,
)
from gateway.config.writing import render_settings

__all__ = [
    "HOME_VARIABLE",
    "SETTINGS_FILE",
    "AlarmSettings",
    "AuthoritySettings",
    "DatabaseSettings",
    "DeliverySettings",
    "DirectorySettings",
    "DrillSettings",
    "DropSettings",
    "DutySettings",
    "EscalationSettings",
    "HomePaths",
    "LadderSettings",
    "LogSettings",
    "MailServerSettings",
    "MailSettings",
    "MailboxSettings",
    "NetworkSettings",
    "PeerSettings",
    "Settings",
    "SettingsError",
    "StorageSettings",
    "TelemetrySettings",
    "find_home",
    "is_home_named",
    "parse_settings",
    "read_settings",
    "render_settings",
    "split_address",
    "with_password",
]
