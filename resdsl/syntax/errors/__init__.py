"""Explanations of syntax errors, with suggestions: one function per kind of error."""
