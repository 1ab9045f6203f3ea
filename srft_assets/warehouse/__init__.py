"""Parquet partitions, their provenance, and the DuckDB catalogue."""
