-- Runs without exactly one outcome, outcomes without a run, counts that contradict the status.
-- Only batches that were graded count.
WITH graded AS (
    SELECT partition_of(partition_file) AS batch, trajectory_id
    FROM stored_trajectories()
    WHERE batch IN (SELECT "partition" FROM partitions WHERE asset = 'test_outcomes')
),
outcomes AS (
    SELECT *, partition_of(partition_file) AS batch
    FROM stored_test_outcomes()
)
SELECT batch, coalesce(g.trajectory_id, o.trajectory_id) AS trajectory_id,
       CASE WHEN count(o.trajectory_id) = 0 THEN 'no outcome'
            WHEN any_value(g.trajectory_id) IS NULL THEN 'outcome without a run'
            WHEN count(*) > 1 THEN 'several outcomes'
            ELSE 'counts contradict the status' END AS problem
FROM graded g
FULL JOIN outcomes o USING (batch, trajectory_id)
GROUP BY batch, g.trajectory_id, o.trajectory_id
HAVING count(o.trajectory_id) <> 1
    OR any_value(g.trajectory_id) IS NULL
    OR bool_or(o.f2p_passed > o.f2p_total OR o.p2p_passed > o.p2p_total)
    OR bool_or(o.status = 'resolved' AND (o.f2p_passed < o.f2p_total OR o.p2p_passed < o.p2p_total))
