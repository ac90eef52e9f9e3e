"""Writes what follows from the migrations: the schema's picture, the row types and the reference."""
