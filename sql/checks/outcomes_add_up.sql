-- Runs without exactly one outcome, outcomes without a run, counts that contradict the status.
-- Only batches that were graded count.
WITH graded AS (
    SELECT t.batch, t.trajectory_id
    FROM trajectories t
    WHERE t.batch IN (SELECT partition FROM partitions WHERE asset = 'test_outcomes')
)
SELECT coalesce(g.trajectory_id, o.trajectory_id) AS trajectory_id,
       CASE WHEN count(o.trajectory_id) = 0 THEN 'no outcome'
            WHEN any_value(g.trajectory_id) IS NULL THEN 'outcome without a run'
            WHEN count(*) > 1 THEN 'several outcomes'
            ELSE 'counts contradict the status' END AS problem
FROM graded g
FULL JOIN test_outcomes o ON o.trajectory_id = g.trajectory_id
GROUP BY g.trajectory_id, o.trajectory_id
HAVING count(o.trajectory_id) <> 1
    OR any_value(g.trajectory_id) IS NULL
    OR bool_or(o.f2p_passed > o.f2p_total OR o.p2p_passed > o.p2p_total)
    OR bool_or(o.status = 'resolved' AND (o.f2p_passed < o.f2p_total OR o.p2p_passed < o.p2p_total))
