"""Readers of files of weights, one module for each format. ``open`` detects the format."""
