"""The pages for eyes: judgments and sessions, the newest first, and one with all that belongs to it. They never write."""
