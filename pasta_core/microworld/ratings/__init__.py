"""Data sets labelled by planted raters, in the layouts of the public ones."""
