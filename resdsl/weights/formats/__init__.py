"""Readers of files of weights, one format a file. ``open`` tells which one a file is for."""
