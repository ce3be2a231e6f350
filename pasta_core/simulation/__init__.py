"""Rollouts and the services they run on."""
