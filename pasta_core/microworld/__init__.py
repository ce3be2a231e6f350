"""A small drawn world in which the whole paper runs for real: scenes, raters and the recipes of the micro models."""
