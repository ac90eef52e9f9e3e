"""Where domains meet: each function that writes is one transaction."""
