"""Syntax errors in the words of people, with the way out: one function per kind of mistake."""
