"""The only package that opens connections: the embedded server, the schema and its migrations."""
