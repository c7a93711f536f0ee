"""A folder with several versions of the site, one in each subfolder, as the version selector of the theme expects it.

``python docs/site/versions.py SITE FOLDER VERSION`` puts a built site into it.

``versions.json`` lists them, and ``index.html`` leads to the newest release, or to ``dev`` before there is one.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

DEVELOPMENT = "dev"
"""The version of the main branch."""

_REDIRECT = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>resdsl</title>
<meta http-equiv="refresh" content="0; url={version}/">
<a href="{version}/">resdsl {version}</a>
"""


def publish(site: Path, folder: Path, version: str) -> None:
    """Put a built site into ``folder`` as ``version`` (``0.3`` or ``dev``), in place of the one that was there.

    Raises ``ValueError`` for a version that is neither.
    """
    _order(version)
    target = folder / version
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(site, target)
    versions = sorted((file.parent.name for file in folder.glob("*/index.html")), key=_order, reverse=True)
    default = next((one for one in versions if one != DEVELOPMENT), DEVELOPMENT)
    listed = [
        {
            "version": one,
            "title": f"{one} (main)" if one == DEVELOPMENT else one,
            "aliases": ["latest"] * (one == default),
        }
        for one in versions
    ]
    (folder / "versions.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(_REDIRECT.format(version=default), encoding="utf-8")
    (folder / ".nojekyll").touch()


def _order(version: str) -> tuple[bool, Version]:
    """Releases by their numbers; the development version is older than all."""
    if version == DEVELOPMENT:
        return False, Version("0")
    try:
        return True, Version(version)
    except InvalidVersion:
        raise ValueError(f"'{version}' is neither the number of a release nor {DEVELOPMENT}") from None


if __name__ == "__main__":
    site, folder, version = sys.argv[1:]
    publish(Path(site), Path(folder), version)
