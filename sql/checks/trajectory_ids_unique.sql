-- Runs that occur more than once, or in more than one batch: they would be trained on twice.
SELECT trajectory_id, count(*) AS times, list(DISTINCT batch ORDER BY batch) AS batches
FROM trajectories
GROUP BY trajectory_id
HAVING count(*) > 1
