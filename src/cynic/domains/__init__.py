"""Twelve domains, one per section of the schema; none imports another."""
