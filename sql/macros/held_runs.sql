CREATE OR REPLACE MACRO held_runs() AS TABLE
SELECT trajectory_id, partition_of(partition_file) AS batch
FROM stored_trajectories();

COMMENT ON MACRO TABLE held_runs IS 'Every run with every batch that holds it now. What was said of a run in a batch that no longer holds it is out of date.';
