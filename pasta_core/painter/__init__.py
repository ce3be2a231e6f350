"""Prompts and seeds to images (§6.1)."""
