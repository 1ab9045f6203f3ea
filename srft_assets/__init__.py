"""Step Rejection Fine-Tuning of coding agents, as Dagster assets seen through DuckDB."""
