"""The assets, sensors, schedules and jobs of the platform; Dagster only."""
