"""Makes the pictures of the duty page for the documents: ``python -m tests.browser.pictures FOLDER``.

The night of ``test_night`` is played in Arabic and photographed; pages on stand-ins show the other languages.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.browser import test_night
from tests.browser.stage import Stage
from tests.browser.test_pages import PAGES, night_stand, on_the_phone

_SHOWN = {"en": ("list",), "zh": ("case",), "es": ("case-late",)}


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    with tempfile.TemporaryDirectory() as made:
        stage = Stage(Path(made))
        stage.open()
        try:
            test_night.PICTURES = folder
            night_home = Path(made) / "night"
            night_home.mkdir()
            stage.run(test_night.play(stage, night_home))
            for code, names in _SHOWN.items():
                stage.run(_photograph(stage, code, names, folder))
        finally:
            stage.close()


async def _photograph(stage: Stage, code: str, names: tuple[str, ...], folder: Path) -> None:
    scheme = "dark" if code == "es" else "light"
    made = night_stand()
    made.shown_card = replace(made.shown_card, second=None, stood_by=())
    async with on_the_phone(stage, made, color_scheme=scheme) as phone:
        for name in names:
            await phone.page.goto(f"{phone.origin}{PAGES[name]}?lang={code}")
            await phone.page.screenshot(path=folder / f"duty-{name}-{code}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
