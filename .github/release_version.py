"""Prints the version of a release, for the outputs of a step: ``python .github/release_version.py v0.3.0``.

Ends with an error where the package, the extension and the tag do not have the same version.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def versions() -> dict[str, str]:
    """The versions that files of the repository state, by the names of the files."""
    package = (ROOT / "resdsl" / "version.py").read_text(encoding="utf-8")
    stated = re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE)
    assert stated is not None
    extension = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text(encoding="utf-8"))
    return {"resdsl/version.py": stated[1], "editors/vscode/package.json": extension["version"]}


def main(tag: str) -> None:
    """Compare with a tag."""
    for file, version in versions().items():
        if tag != f"v{version}":
            sys.exit(f"the tag is {tag}, and {file} states {version}")
    print(f"version={tag.removeprefix('v')}")


if __name__ == "__main__":
    main(sys.argv[1])
