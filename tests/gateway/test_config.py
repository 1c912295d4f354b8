"""The settings file: what it may say, and what it is told when it says something else."""

from pathlib import Path

import pytest

from gateway.config import (
    AlarmSettings,
    AuthoritySettings,
    DirectorySettings,
    DropSettings,
    DutySettings,
    HomePaths,
    MailboxSettings,
    MailServerSettings,
    MailSettings,
    NetworkSettings,
    PeerSettings,
    Settings,
    SettingsError,
    find_home,
    parse_settings,
    read_settings,
    render_settings,
    split_address,
)

MINIMAL = '[authority]\nid = "ke-ag"\nstate = "KE"\nname = "Fictional"\nnetwork = "{network}"\n'
LAB = MINIMAL.format(network="lab")
REAL = MINIMAL.format(network="real")


def test_a_minimal_file_takes_the_defaults() -> None:
    settings = parse_settings(LAB)
    assert (settings.peer.listen, settings.database.url, settings.log.head_file) == ("", "", "head/log.head")


def test_what_init_writes_reads_back_exactly_the_same_whatever_the_name() -> None:
    name = 'Büro "Nord" \\ العدل \x7f\n司法部 😀'
    settings = Settings(
        authority=AuthoritySettings(id="ke-ag", state="KE", name=name, network="lab"),
        peer=PeerSettings(listen="[::1]:8443", proxy_url="http://proxy.example:3128"),
        directory=DirectorySettings(
            network=(
                NetworkSettings(name="un-lab", root_sha256="a" * 64, url="https://localhost:1/x"),
                NetworkSettings(name="carried", root_sha256="b" * 64, ca_file="ca.pem"),
            )
        ),
    )
    assert parse_settings(render_settings(settings)) == settings


def test_what_is_set_for_the_duty_page_reads_back_exactly_the_same() -> None:
    duty = DutySettings(listen="127.0.0.1:8444", origin="https://duty.ke-ag.example:8444", key_file="k")
    own = AuthoritySettings(id="ke-ag", state="KE", name="Fictional", network="lab")
    settings = Settings(authority=own, duty=duty)
    assert parse_settings(render_settings(settings)) == settings
    assert settings.duty.rp == "duty.ke-ag.example"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "http://duty.example",
        "https://",
        "https://10.0.0.1",
        "https://[::1]:8444",
        "https://Duty.example",
        "https://duty.example/",
        "https://duty.example:443443",
        "https://duty.example?x",
        "https://user@duty.example",
        "https://duty_1.example",
        "https://duty.example\n",
    ],
)
def test_the_duty_page_needs_a_name_that_passkeys_can_be_bound_to(origin: str) -> None:
    written = origin.replace("\n", "\\n")
    with pytest.raises(SettingsError, match=r"duty\.origin"):
        parse_settings(LAB + f'[duty]\nlisten = "127.0.0.1:8444"\norigin = "{written}"\n')


@pytest.mark.parametrize(
    ("network", "tls", "taken"), [(LAB, "own", False), (REAL, "proxy", False), (REAL, "own", True)]
)
def test_the_duty_page_is_exposed_by_its_own_tls_or_not_at_all(network: str, tls: str, taken: bool) -> None:
    text = f'{network}[duty]\nlisten = "0.0.0.0:8444"\norigin = "https://duty.example"\ntls = "{tls}"\n'
    if taken:
        assert parse_settings(text).duty.listen == "0.0.0.0:8444"
        return
    with pytest.raises(SettingsError, match="loopback"):
        parse_settings(text)


def test_what_is_set_for_mail_reads_back_exactly_the_same() -> None:
    mail = MailSettings(
        mailbox="gateway@ke-ag.example",
        smtp=MailServerSettings(host="localhost", port=2525, ca_file="ca.pem"),
        imap=MailboxSettings(host="127.0.0.1", user="gateway", password_file="imap", folder="GW"),
        lmtp_socket="run/lmtp",
    )
    own = AuthoritySettings(id="ke-ag", state="KE", name="Fictional", network="lab")
    settings = Settings(authority=own, mail=mail)
    assert parse_settings(render_settings(settings)) == settings
    assert "[mail" not in render_settings(Settings(authority=own))


def test_a_folder_drop_reads_back_and_is_not_named_where_there_is_none() -> None:
    own = AuthoritySettings(id="ke-ag", state="KE", name="Fictional", network="lab")
    settings = Settings(authority=own, drop=DropSettings(folder="/srv/drop"))
    assert parse_settings(render_settings(settings)) == settings
    assert "[drop" not in render_settings(Settings(authority=own))


def test_what_is_set_for_alarms_reads_back_exactly_the_same() -> None:
    alarm = AlarmSettings(
        sender="duty@ke-ag.example",
        smtp=MailServerSettings(host="localhost", port=2525, user="duty", password_file="alarm"),
        site_hosts=("push.site.example", "10.1.2.3"),
        climb_s=3.5,
        test_every_days=1,
        heartbeat_s=60.0,
    )
    own = AuthoritySettings(id="ke-ag", state="KE", name="Fictional", network="lab")
    settings = Settings(authority=own, alarm=alarm)
    assert parse_settings(render_settings(settings)) == settings
    assert "[alarm" not in render_settings(Settings(authority=own))


@pytest.mark.parametrize(
    ("network", "addition", "said"),
    [
        (
            REAL,
            'sender = "duty@x\\r\\nBcc: y@z"\n[alarm.smtp]\nhost = "m"\n',
            "alarm.sender must be an address",
        ),
        (REAL, 'sender = "duty@ke.example"\n', "alarm.smtp.host is missing"),
        (REAL, '[alarm.smtp]\nhost = "mail.ke.example"\n', "alarm.sender is missing"),
        (REAL, 'sender = "d@ke.example"\n[alarm.smtp]\nhost = "m"\nuser = "d"\n', "go together"),
        (LAB, 'sender = "d@ke.example"\n[alarm.smtp]\nhost = "mail.ke.example"\n', "must be a loopback"),
        (REAL, 'site_hosts = ["https://push.example"]\n', "site_hosts"),
        (REAL, "climb_s = 0\n", "climb_s"),
        (REAL, "heartbeat_s = -1\n", "heartbeat_s"),
        (REAL, "test_every_days = 30\n", "test_every_days"),
    ],
)
def test_what_is_wrong_about_alarms_is_refused_and_named(network: str, addition: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_settings(network + "[alarm]\n" * (not addition.startswith("[alarm")) + addition)


MAIL = '[mail]\nmailbox = "gateway@ke.example"\n{more}[mail.smtp]\nhost = "{smtp}"\n'
IMAP = '[mail.imap]\nhost = "mail.ke.example"\nuser = "gateway"\npassword_file = "imap"\n'


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ('[mail]\nlmtp_socket = "run/lmtp"\n', "mail.mailbox is missing"),
        (MAIL.format(smtp="", more="") + IMAP, "mail.smtp.host is missing"),
        (MAIL.format(smtp="mail.ke.example", more=""), "imap.host or lmtp_socket"),
        (MAIL.format(smtp="mail.ke.example", more="max_message_bytes = 5\n"), "max_message_bytes"),
        (MAIL.format(smtp="x", more="").replace("gateway@", "gate way@") + IMAP, "an address in ASCII"),
        (MAIL.format(smtp="x", more="") + IMAP.replace("password_file", "folder"), "go together"),
        (MAIL.format(smtp="x", more="") + '[mail.imap]\nhost = "y"\n', "mail.imap.user is missing"),
        (MAIL.format(smtp="x", more="") + IMAP + 'tls = "none"\n', r"\$.mail.imap.tls"),
        (MAIL.format(smtp="x", more="") + IMAP + 'password = "secret"\n', "unknown field `password`"),
    ],
)
def test_what_is_wrong_about_mail_is_refused_and_named(addition: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        parse_settings(REAL + addition)
    assert "secret" not in str(refused.value)


def test_a_lab_home_has_its_mail_server_on_loopback_only() -> None:
    assert parse_settings(LAB + MAIL.format(smtp="localhost", more='lmtp_socket = "l"\n')).mail.mailbox
    with pytest.raises(SettingsError, match=r"mail\.smtp\.host must be a loopback address"):
        parse_settings(LAB + MAIL.format(smtp="mail.ke.example", more='lmtp_socket = "l"\n'))


def test_the_home_of_a_demonstration_is_marked_and_never_of_a_real_network() -> None:
    own = AuthoritySettings(id="ke-ag", state="KE", name="Fictional", network="lab", demo=True)
    text = render_settings(Settings(authority=own))
    assert "demo = true" in text
    assert parse_settings(text).authority.demo
    with pytest.raises(SettingsError, match="lab networks only"):
        parse_settings(text.replace('network = "lab"', 'network = "real"'))


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ("[peer]\nlisten_to = 1\n", r"unknown field `listen_to` - at `\$.peer`"),
        ("[peer.tls]\nkey = 1\n", r"unknown field `tls` - at `\$.peer`"),
        ("[delivery]\nurgent_workers = 0\n", r"\$.delivery.urgent_workers"),
        ("[peer]\nidle_timeout_s = 0\n", r"\$.peer.idle_timeout_s"),
        ('[telemetry]\nlevel = "loud"\n', r"\$.telemetry.level"),
        ("[peer\n", "is not TOML"),
        ('[[directory.network]]\nname = "UN"\nroot_sha256 = "x"\n', r"\$.directory.network\[0\].name"),
        (f'[[directory.network]]\nname = "un"\nroot_sha256 = "{"a" * 64}"\n' * 2, "a name of its own"),
        ('[peer]\nlisten = "8443"\n', "host:port"),
        ('[peer]\nproxy_url = "http://user:secret@proxy.example"\n', "without credentials"),
        ('[database]\nurl = "mysql://x"\n', "postgresql"),
        ('[database]\nurl = "postgresql+asyncpg://u:secret@db/x"\n', "password_file"),
    ],
)
def test_a_wrong_key_is_refused_and_named(addition: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        parse_settings(REAL + addition)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("listen", ["0.0.0.0:8443", "192.0.2.7:8443", "[::]:8443", "gateway.example:8443"])
def test_a_lab_home_binds_to_loopback_only(listen: str) -> None:
    addition = f'[peer]\nlisten = "{listen}"\n'
    with pytest.raises(SettingsError, match="loopback"):
        parse_settings(LAB + addition)
    assert parse_settings(REAL + addition).peer.listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:8443", "127.8.8.8:1", "[::1]:8443", "localhost:8443"])
def test_every_loopback_address_will_do_for_a_lab(listen: str) -> None:
    assert parse_settings(LAB + f'[peer]\nlisten = "{listen}"\n').peer.listen == listen


@pytest.mark.parametrize("address", ["", "host", ":1", "host:", "host:0", "host:65536", "host:٣", "host:-1"])
def test_an_address_is_host_and_port(address: str) -> None:
    with pytest.raises(SettingsError):
        split_address(address)


def test_the_home_comes_from_the_command_line_before_the_environment(tmp_path: Path) -> None:
    environment = {"ROGATORY_HOME": "/elsewhere"}
    assert find_home(tmp_path, environment).root == tmp_path
    assert find_home(None, environment).root == Path("/elsewhere")
    with pytest.raises(SettingsError, match="--home"):
        find_home(None, {})


def test_a_folder_that_is_no_home_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="rogatory init"):
        read_settings(tmp_path / "rogatory.toml")


def test_the_database_password_comes_from_its_file_and_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("p@ss/word\n")
    text = '[database]\nurl = "postgresql+asyncpg://rogatory@db.example/gw"\npassword_file = "pw"\n'
    home, settings = HomePaths(tmp_path), parse_settings(REAL + text)
    url = home.database_url(settings.database)
    assert url == "postgresql+asyncpg://rogatory:p%40ss%2Fword@db.example/gw"
    (tmp_path / "pw").unlink()
    with pytest.raises(SettingsError, match="password_file"):
        home.database_url(settings.database)
