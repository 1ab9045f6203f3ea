"""Test outcomes: what the tests say of each run's patch."""
