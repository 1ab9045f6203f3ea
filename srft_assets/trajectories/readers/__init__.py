"""One reader a scaffold format."""
