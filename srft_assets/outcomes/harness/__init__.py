"""Grading with the SWE-bench harness, in Docker or on Modal."""
