"""The paper's experiments as one chain in the microworld, from ratings to a report."""
