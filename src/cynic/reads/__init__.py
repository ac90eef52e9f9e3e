"""One module for each question that is asked of the record; nothing here writes."""
