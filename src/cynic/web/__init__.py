"""The pages for eyes: the newest judgments, and one with all that belongs to it. They read and never write."""
