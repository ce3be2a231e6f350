"""What a person meets: the command line, and sessions in the terminal."""
