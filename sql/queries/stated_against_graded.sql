-- Runs whose source states another outcome than the tests.
-- Can the source's own word be trusted?
SELECT trajectory_id, run.batch, source_resolved, status, grader, reason
FROM trajectories AS run
JOIN test_outcomes USING (trajectory_id)
WHERE graded(status) AND source_resolved <> (status = 'resolved')
ORDER BY trajectory_id
