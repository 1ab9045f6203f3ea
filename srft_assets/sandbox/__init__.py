"""Bounded, network-less execution of commands that a model wrote."""
