CREATE OR REPLACE MACRO verdict_changes(critic_a, version_a, critic_b, version_b) AS TABLE
SELECT *
FROM shared_verdicts(critic_a, version_a, critic_b, version_b)
WHERE label_a <> label_b
ORDER BY trajectory_id, step_index;

COMMENT ON MACRO TABLE verdict_changes IS 'Steps that one version of a critic labels otherwise than another, with both reasons: FROM verdict_changes(''default'', ''1a2b3c4d'', ''default'', ''5e6f7a8b'').';
