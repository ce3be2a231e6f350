"""Who looks and chooses: CLIP, utilities, choices, simulated users (§5)."""
