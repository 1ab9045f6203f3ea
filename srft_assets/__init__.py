"""Step Rejection Fine-Tuning of coding agents, as Dagster assets seen through DuckDB."""

__version__ = "0.1.0"
