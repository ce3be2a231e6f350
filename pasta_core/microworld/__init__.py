"""A small drawn world in which the whole paper runs for real: scenes, raters, recipes of the micro models."""
