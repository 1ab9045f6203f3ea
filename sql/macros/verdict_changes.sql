CREATE OR REPLACE MACRO verdict_changes(critic_a, version_a, critic_b, version_b) AS TABLE
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
  AND a.label <> b.label
ORDER BY a.trajectory_id, a.step_index;

COMMENT ON MACRO TABLE verdict_changes IS 'Steps that one version of a critic labels otherwise than another, with both reasons: FROM verdict_changes(''default'', ''1a2b3c4d'', ''default'', ''5e6f7a8b'').';
