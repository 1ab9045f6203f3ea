"""mini-swe-agent against a checkpoint, graded."""
