"""Prepare this machine for one target of the Makefile: ``python3 deploy/prepare.py demo|test|bench|lint``.

Makes ``.venv`` from the pinned, hash-checked requirements and looks for the programs the target needs.
As root on Debian or Ubuntu it installs what is missing; otherwise it names it and stops. Runs before
anything is installed, so it uses the standard library only and stays readable to old Pythons.
"""

import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".prepared")
REQUIREMENTS = os.path.join(ROOT, "tests", "requirements.txt")
OLDEST = (3, 11)

FONTS = "/usr/share/fonts/truetype/noto/NotoNaskhArabic-Regular.ttf"
CJK_FONTS = "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc"
SERVERS = ("/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/usr/local/pgsql/bin/initdb")


def have(program):
    """Say whether a program is on the path."""
    return shutil.which(program) is not None


def have_daemon(program):
    """Say whether a program is there that only root's path may name."""
    return have(program) or os.path.exists("/usr/sbin/" + program)


def have_postgresql():
    """Say whether a PostgreSQL server can be started, here or through ``PG_BIN``."""
    return bool(os.environ.get("PG_BIN")) or have("initdb") or any(glob.glob(place) for place in SERVERS)


def have_ensurepip():
    """Say whether ``python3 -m venv`` can put pip into an environment (Debian ships it apart)."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return os.path.exists(PYTHON)
    return True


#: Debian package -> how to see that it is there. The same names are right for Ubuntu.
CHECKS = {
    "python3-venv": have_ensurepip,
    "fonts-noto-core": lambda: os.path.exists(FONTS),
    "fonts-noto-cjk": lambda: os.path.exists(CJK_FONTS),
    "postgresql": have_postgresql,
    "openssl": lambda: have("openssl"),
    "postfix": lambda: have_daemon("postfix"),
    "dovecot-imapd": lambda: have_daemon("dovecot"),
    "dovecot-lmtpd": lambda: os.path.exists("/usr/lib/dovecot/lmtp"),
    "gpgsm": lambda: have("gpgsm"),
    "chromium": lambda: have("chromium"),
    "nodejs": lambda: have("node"),
    "npm": lambda: have("npm"),
    "age": lambda: have("age"),
    "gnupg": lambda: have("gpg"),
    "strace": lambda: have("strace"),
    "gcc": lambda: have("gcc"),
    "libc6-dev": lambda: os.path.exists("/usr/include/stdio.h"),
}
MAIL = ["postfix", "dovecot-imapd", "dovecot-lmtpd", "gpgsm"]
FONT_PACKAGES = ["fonts-noto-core", "fonts-noto-cjk"]
TEST = ["python3-venv", *FONT_PACKAGES, "postgresql", "openssl", "nodejs", "npm", "chromium", *MAIL]
PACKAGES = {
    "lint": ["python3-venv"],
    "demo": ["python3-venv", "fonts-noto-core"],
    "test": TEST,
    "bench": [*TEST, "age", "gnupg", "strace", "gcc", "libc6-dev"],
}


def stop(sentence):
    """End with a sentence that says what to do."""
    sys.exit("rogatory: " + sentence)


def say(sentence):
    """Tell what is being done; on standard error, so that a target's own output stays clean."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


def provide_packages(target):
    """Install the missing Debian packages of a target as root, or name them and stop."""
    missing = [name for name in PACKAGES[target] if not CHECKS[name]()]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or not have("apt-get"):
        stop(
            "`make {}` needs programs that are not here. Install them as root, then run it again:\n"
            "    apt-get update && {}".format(target, " ".join(command))
        )
    say("Installing: " + " ".join(missing))
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for step in (["apt-get", "update", "-qq"], [*command, "-qq"]):
        if subprocess.call(step, env=quiet, stdout=sys.stderr) != 0:
            stop("`{}` failed; the lines above say why.".format(" ".join(step)))
    still = [name for name in missing if not CHECKS[name]()]
    if still:
        stop("still missing after the installation: {}. Please install by hand.".format(" ".join(still)))


def fingerprint():
    """Return what the environment was, or should be, made from."""
    digest = hashlib.sha256(repr((ROOT, sys.version_info[:2])).encode())
    for name in (REQUIREMENTS, os.path.join(ROOT, "pyproject.toml"), __file__):
        with open(name, "rb") as source:
            digest.update(source.read())
    return digest.hexdigest()


def run(*command):
    """Run one step of the preparation; stop with its command line if it fails."""
    if subprocess.call(command, stdout=sys.stderr, cwd=ROOT) != 0:
        stop("`{}` failed; the lines above say why.".format(" ".join(command)))


def provide_environment():
    """Make ``.venv`` match the pinned requirements; a stamp inside it avoids repetition."""
    wanted = fingerprint()
    if os.path.exists(STAMP) and os.path.exists(PYTHON):
        with open(STAMP) as source:
            if source.read() == wanted:
                return
    say("Preparing .venv (once; about a minute)")
    if (
        not os.path.exists(PYTHON)
        or subprocess.call([PYTHON, "-m", "pip", "--version"], stdout=sys.stderr) != 0
    ):
        run(sys.executable, "-m", "venv", "--clear", VENV)
    pip = [PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "--requirement", REQUIREMENTS)
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    with open(STAMP, "w") as sink:
        sink.write(wanted)


def main():
    """Prepare for the target named on the command line."""
    target = sys.argv[1] if len(sys.argv) == 2 else ""
    if target not in PACKAGES:
        stop("say what to prepare for: " + ", ".join(sorted(PACKAGES)))
    if sys.version_info < OLDEST:
        stop(
            "Python {}.{} or newer is needed, this is {}.{}. "
            "Install one and name it: make {} PYTHON=python3.12".format(
                *OLDEST, *sys.version_info[:2], target
            )
        )
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    with open(os.path.join(ROOT, "build", "prepare.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        provide_packages(target)
        provide_environment()


if __name__ == "__main__":
    main()
