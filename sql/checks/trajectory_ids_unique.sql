-- Runs that occur more than once in a batch: they would be trained on twice.
SELECT trajectory_id, partition_of(partition_file) AS batch, count(*) AS times
FROM stored_trajectories()
GROUP BY ALL
HAVING count(*) > 1
