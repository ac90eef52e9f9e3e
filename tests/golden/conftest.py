"""Puts this folder on the import path, so that `from vectors import cases` works in the folders below."""
