"""Makes the picture of the page Tonight in the documents, from a night that never was.

    python -m tests.console_picture                         docs/console.png
    python -m tests.console_picture --path /jobs/42 --picture job.png

The pages are the product's own, over rows of a ledger on SQLite. Debian's Chromium draws them. No test runs this.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser import night
from tests.browser.served import ServedConsole
from tests.browser.viewer import Viewer
from tests.servers import chromium
from tests.world import World

PICTURE = Path(__file__).parents[1] / "docs" / "console.png"
WIDTH = 1120
COLOURS = 128
OF_ONE_JOB = ("eed_email", "eed_audit", "eed_job")


def draw(path: str, picture: Path) -> None:
    """Ends the program where there is no Chromium."""
    program = chromium.find() or sys.exit("The picture needs Chromium. On Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="eed-picture-") as directory:
        world = World(f"sqlite:///{directory}/ledger.sqlite3")
        night.fill(world)
        for table in OF_ONE_JOB:  # its words are an attacker's, for the tests
            world.execute(f"DELETE FROM {table} WHERE job_id = :job", job=night.HOSTILE)
        with ServedConsole(world, Path(directory)) as console, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            with Viewer(browser, console, "operator", width=WIDTH) as viewer:
                viewer.open(path)
                viewer.page.screenshot(path=picture, full_page=True)
            browser.close()
        world.close()
    with Image.open(picture) as drawn:  # a third of the bytes, and no difference to the eye
        drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--picture", type=Path, default=PICTURE, metavar="FILE", help="where to write it (docs/console.png)"
    )
    parser.add_argument("--path", default="/", help="the page's address (/)")
    options = parser.parse_args()
    draw(options.path, options.picture)


if __name__ == "__main__":
    main()
