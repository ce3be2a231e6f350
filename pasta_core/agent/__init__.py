"""History to slate: the candidate generator, the selectors and the word budget (§3.1)."""
