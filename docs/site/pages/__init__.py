"""The pages of the site as Markdown, one module for each part of it."""
