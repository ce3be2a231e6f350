"""The session at the keyboard: its loop, its store and its export."""
