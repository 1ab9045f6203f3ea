-- Steps of judged runs without exactly one verdict of $critic in their batch, and verdicts without
-- a step.
WITH verdicts AS (
    SELECT partition_of(partition_file) AS batch, trajectory_id, step_index, label
    FROM stored_step_verdicts()
    WHERE folder_of(partition_file) = $critic
),
wanted AS (
    SELECT
        partition_of(partition_file) AS batch,
        trajectory_id,
        unnest(range(n_steps))::INTEGER AS step_index
    FROM stored_trajectories()
    WHERE (partition_of(partition_file), trajectory_id)
        IN (SELECT (batch, trajectory_id) FROM verdicts)
)
SELECT coalesce(w.batch, v.batch) AS batch,
       coalesce(w.trajectory_id, v.trajectory_id) AS trajectory_id,
       coalesce(w.step_index, v.step_index) AS step_index,
       count(v.label) AS verdicts
FROM wanted w
FULL JOIN verdicts v USING (batch, trajectory_id, step_index)
GROUP BY ALL
HAVING count(v.label) <> 1 OR count(w.step_index) = 0
