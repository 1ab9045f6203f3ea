CREATE OR REPLACE MACRO shared_verdicts(critic_a, version_a, critic_b, version_b) AS TABLE
SELECT
    a.batch,
    a.trajectory_id,
    a.step_index,
    a.label AS label_a,
    b.label AS label_b,
    a.reason AS reason_a,
    b.reason AS reason_b
FROM verdict_versions AS a
JOIN verdict_versions AS b USING (trajectory_id, step_index)
WHERE a.critic = critic_a AND a.version = version_a
  AND b.critic = critic_b AND b.version = version_b
ORDER BY a.trajectory_id, a.step_index;

COMMENT ON MACRO TABLE shared_verdicts IS 'Steps that one version of a critic and another labelled, each step once, with both labels and reasons: FROM shared_verdicts(''default'', ''1a2b3c4d'', ''default'', ''5e6f7a8b'').';
