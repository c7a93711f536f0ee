"""Called by MkDocs while it writes pages."""

from __future__ import annotations


def on_post_page(output: str, **_others: object) -> str:
    """Name the dialog of the search for screen readers, which the theme leaves without a name."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )
