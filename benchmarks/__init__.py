"""Each benchmark measures something of cynic and its limit in the same run, and prints their ratio."""
