"""Sessions in plain lines: pictures in the scrollback and a question, for any terminal."""
