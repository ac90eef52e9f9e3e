"""cynic: the memory of a pack of AI agents, kept in one PostgreSQL."""

__version__ = "0.1.0"
