"""Values, constants and errors. No input or output of any kind."""
