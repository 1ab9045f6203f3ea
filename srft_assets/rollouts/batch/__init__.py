"""Rollouts as a batch of trajectories: tasks played by a model, recorded like any other runs."""
