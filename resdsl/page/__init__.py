"""Interactive pages: a graph becomes plain data, and a self-contained HTML page that draws it."""
