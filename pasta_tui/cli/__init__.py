"""The commands: one file each, signatures on top, heavy imports inside the bodies."""
