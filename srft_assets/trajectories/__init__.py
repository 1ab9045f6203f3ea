"""Recorded agent runs: one reader a scaffold format, one canonical schema."""
