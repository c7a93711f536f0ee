"""Networks as a page to explore: a graph becomes plain data, and a page that draws the data wherever it is opened."""
