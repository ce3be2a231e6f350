"""Models of a hub on this machine: found and checked offline, fetched by `pasta models pull` alone."""
