"""Builds the docs as a static site: ``python docs/site/build.py [-o FOLDER]``. Needs ``resdsl[site]``.

``--check`` makes the pages, checks their links, and builds nothing; it needs no MkDocs. ``--playground`` adds the
playground, which needs Node. To read the site, run ``python -m http.server -d build/site``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import markdown

from check_links import Contents, contents_of, css_loads, faults, is_elsewhere
from markdown_dialect import EXTENSIONS, SETTINGS
from playground.build import build as build_playground
from site_map import SiteMap, site_map

FOLDER = Path(__file__).parent
CONFIGURATION = FOLDER / "mkdocs.yml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or check; gives the exit status."""
    parser = argparse.ArgumentParser(description="Build the docs as a static site.")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/site"), metavar="FOLDER")
    parser.add_argument("--check", action="store_true", help="make the pages and check their links, without MkDocs")
    parser.add_argument("--playground", action="store_true", help="with the playground (needs Node 20 or later)")
    given = parser.parse_args(arguments)
    if given.check:
        pages = site_map(drawn=False)
        found = source_faults(pages)
        done = f"{len(pages.pages)} pages, every link resolves"
    else:
        build(site_map(playground=given.playground), given.output)
        if given.playground:
            build_playground(given.output / "playground")
        found = built_faults(given.output)
        done = f"{given.output}: built, every link resolves, and nothing is loaded from other hosts"
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(found)} faults" if found else done)
    return 1 if found else 0


def build(pages: SiteMap, output: Path) -> None:
    """Write the site into ``output``, which is emptied. Raises ``SystemExit`` for warnings of MkDocs."""
    # Notices about the future of MkDocs are for those who choose a generator.
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    from mkdocs.commands.build import build as build_site
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    with tempfile.TemporaryDirectory() as folder:
        pages.write(Path(folder))
        configuration = load_config(
            str(CONFIGURATION),
            strict=True,
            docs_dir=folder,
            site_dir=str(output.absolute()),
            nav=pages.navigation,
            markdown_extensions=[{name: SETTINGS.get(name, {})} for name in EXTENSIONS],
        )
        try:
            build_site(configuration)
        except Abort as stopped:
            raise SystemExit(f"MkDocs: {stopped}") from None


def source_faults(pages: SiteMap) -> list[str]:
    """What is wrong with links between the pages, without a site."""
    rendered: dict[str, Contents] = {}
    for page in pages.pages.values():
        converter = markdown.Markdown(extensions=EXTENSIONS, extension_configs=SETTINGS)
        text = page.text.partition("\n---\n")[2] if page.text.startswith("---\n") else page.text
        rendered[page.path] = contents_of(converter.convert(text))
    return list(faults(rendered, {*rendered, *(picture.path for picture in pages.pictures), *pages.files}))


def built_faults(site: Path) -> list[str]:
    """What is wrong with links and loaded files of a built site."""
    files = {file.relative_to(site).as_posix() for file in site.rglob("*") if file.is_file()}
    # The page for wrong addresses is shown at any of them: its links are absolute.
    html = sorted(file for file in files if file.endswith(".html") and file != "404.html")
    pages = {file: contents_of((site / file).read_text(encoding="utf-8")) for file in html}
    sheets = sorted(file for file in files if file.endswith(".css"))
    loads = [(file, target) for file in sheets for target in css_loads((site / file).read_text(encoding="utf-8"))]
    return [
        *faults(pages, files),
        *(f"{file}: loads {target} from another host" for file, target in loads if is_elsewhere(target)),
    ]


if __name__ == "__main__":
    sys.exit(main())
