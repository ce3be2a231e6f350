"""The recipes that train, measure and describe the micro models; nothing outside of a build imports them."""
