"""What the role `operators` has loaded after all of its pages: its memory is that. No measure of it here."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROBE = """
import json, sys
from pathlib import Path
from eed_delivery.app.child_programs import same_modules
from tests.browser.pages import PAGES
from tests.operators_site import PASSWORD, Site
from tests.world import World

before = set(sys.modules)
world = World(f"sqlite:///{sys.argv[1]}/ledger.sqlite3")
world.add_job(["anna@example.com"], 42)
world.enlist(42)
site = Site(world, Path(sys.argv[1]))
site.user("anna", "admin", "see_recipients", "see_content")
browser = site.browser()
headers = {"Sec-Fetch-Site": "same-origin"}
peer = {"base_url": "http://127.0.0.1:8027", "environ_base": {"REMOTE_ADDR": "127.0.0.1"}, "headers": headers}
browser.post("/login", data={"name": "anna", "password": PASSWORD}, **peer)
asked = {page.path: browser.get(page.path, **peer).status_code for page in PAGES}
print(json.dumps([sorted(before), sorted(sys.modules), asked]))
"""
NEVER = {
    "boto3", "botocore.client", "botocore.httpsession", "botocore.session", "paramiko", "re2", "s3transfer",
    "selectolax",
    "eed_delivery.app.parts", "eed_delivery.app.preload", "eed_delivery.app.aws_clients",
    "eed_delivery.app.isolated_render", "eed_delivery.app.rehearsal_process",
    "eed_delivery.aws.calls", "eed_delivery.publisher", "eed_delivery.rendering.renderer",
    "eed_delivery.rendering.templates", "eed_delivery.rehearsal.looker", "eed_delivery.sweeper",
    "eed_delivery.transports.ses.transport", "eed_delivery.worker",
}  # fmt: skip


def test_the_role_of_people_loads_no_client_of_aws_and_nothing_that_sends_or_renders(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROBE, str(tmp_path)]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    before, loaded, asked = json.loads(done.stdout.splitlines()[-1])
    assert {path: status for path, status in asked.items() if status >= 500} == {}
    assert asked["/"] == asked["/channel-kinds"] == asked["/jobs/42"] == 200
    assert set(loaded) & NEVER - set(before) == set()
    assert set(before) & NEVER == set(), "what the tests load themselves cannot be seen here"
