"""The files of ``deploy/`` can be read by what reads them, and keep what they promise."""

import configparser
import json
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from gateway.config import Settings, parse_settings, render_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def test_the_example_settings_parse_and_show_every_key_that_people_set() -> None:
    text = (DEPLOY / "rogatory.example.toml").read_text()
    settings = parse_settings(text)
    assert settings.authority.network == "real"
    assert parse_settings(render_settings(settings)) == settings
    for section in Settings.__struct_fields__:
        _shows(text, section, getattr(settings, section))


def test_the_mail_of_the_example_settings_parses_once_it_is_no_comment_any_more() -> None:
    text = (DEPLOY / "rogatory.example.toml").read_text()
    mail = text[text.index("# [mail]") : text.index("[log]")]
    settings = parse_settings(text.replace(mail, re.sub(r"^# ", "", mail, flags=re.MULTILINE)))
    assert settings.mail.mailbox
    assert parse_settings(render_settings(settings)) == settings


def _shows(text: str, section: str, values: msgspec.Struct) -> None:
    """Assert that a section and its keys stand in the text; what is not used by everybody, as comments."""
    assert f"[{section}]" in text
    for key in set(values.__struct_fields__) - {"demo"}:
        value = getattr(values, key)
        if isinstance(value, msgspec.Struct):
            _shows(text, f"{section}.{key}", value)
        else:
            assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), f"{section}.{key} is missing"


class _Unit(configparser.RawConfigParser):
    """A unit file: keys keep their case and may be repeated."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def test_the_unit_is_hardened_and_starts_the_service() -> None:
    unit = _Unit(strict=False, delimiters=("=",), comment_prefixes=("#",))
    unit.read_string((DEPLOY / "rogatory.service").read_text())
    service = unit["Service"]
    assert service["ExecStart"].endswith("/rogatory serve")
    assert service["User"] == "rogatory"
    assert service["CapabilityBoundingSet"] == ""
    assert service["UMask"] == "0077"
    assert service["ProtectSystem"] == "strict"
    for key in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "MemoryDenyWriteExecute"):
        assert service[key] == "yes", key
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_the_compose_file_keeps_the_gateway_away_from_the_owners_password() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    gateway = services["gateway"]
    assert gateway["secrets"] == ["gateway"]
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert "ports" not in services["database"]
    assert compose["networks"]["inside"]["internal"] is True
    for service in services.values():
        for secret in service.get("secrets", ()):
            assert secret in compose["secrets"]
        for volume in service["volumes"]:
            name, path = volume.split(":")[:2]
            assert path.startswith("/")
            assert name.startswith(".") or name in compose["volumes"]
            if name.startswith("./"):
                assert (DEPLOY / name).exists()
    assert not re.search(r"PASSWORD:|password:\s*\S", (DEPLOY / "compose.yaml").read_text())


def test_the_gateways_role_owns_nothing() -> None:
    text = (DEPLOY / "postgresql-roles.sh").read_text()
    granted = [
        line for line in text.splitlines() if line.startswith("GRANT") and line.endswith("TO rogatory;")
    ]
    assert granted == [
        "GRANT CONNECT ON DATABASE rogatory TO rogatory;",
        "GRANT USAGE ON SCHEMA public TO rogatory;",
    ]
    assert "OWNER rogatory_owner" in text


def test_the_container_file_is_well_formed_and_does_not_run_as_root() -> None:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
    words = [line.split()[0] for line in lines]
    assert set(words) <= known | {"ENTRYPOINT", "CMD"}
    assert words[0] == "FROM"
    assert next(line for line in reversed(lines) if line.startswith("USER")) == "USER rogatory"
    for line in lines:
        if line.startswith(("CMD", "ENTRYPOINT")):
            assert json.loads(line.partition(" ")[2])
        if line.startswith("FROM"):
            assert not line.split()[1].endswith(":latest")
        if "pip install" in line and "--requirement" in line:
            assert line.count("pip install") == line.count("--require-hashes") + line.count("--no-deps")


@pytest.mark.parametrize("path", ["deploy/requirements.txt", "tests/requirements.txt"])
def test_every_requirement_is_pinned_with_hashes_and_names_no_host(path: str) -> None:
    text = (ROOT / path).read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    for entry in entries:
        assert re.match(r"[a-zA-Z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


def test_runtime_requirements_are_a_part_of_those_the_tests_run_with() -> None:
    def pins(path: str) -> set[str]:
        return set(re.findall(r"^([a-zA-Z0-9._-]+==[^\s;\\]+)", (ROOT / path).read_text(), re.MULTILINE))

    assert pins("deploy/requirements.txt") < pins("tests/requirements.txt")
