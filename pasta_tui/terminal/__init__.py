"""What the terminal can do, and pictures and text in its cells."""
