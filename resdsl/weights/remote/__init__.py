"""Weights from where they are: addresses of files on the web and of repositories on the model hub."""
