CREATE OR REPLACE VIEW critic_pairs AS
SELECT
    one.critic AS critic_a,
    other.critic AS critic_b,
    one.batch,
    one.trajectory_id,
    one.step_index,
    one.label AS label_a,
    other.label AS label_b,
    one.reason AS reason_a,
    other.reason AS reason_b
FROM step_verdicts AS one
JOIN step_verdicts AS other
    ON one.trajectory_id = other.trajectory_id
    AND one.step_index = other.step_index
    AND one.critic < other.critic;

COMMENT ON VIEW critic_pairs IS 'Steps that two critics judged, with both labels; each pair of critics once.';
COMMENT ON COLUMN critic_pairs.critic_a IS 'One critic.';
COMMENT ON COLUMN critic_pairs.critic_b IS 'The other, later in the alphabet.';
COMMENT ON COLUMN critic_pairs.batch IS 'The partition of the run.';
COMMENT ON COLUMN critic_pairs.trajectory_id IS 'The run.';
COMMENT ON COLUMN critic_pairs.step_index IS 'The step, from 0.';
COMMENT ON COLUMN critic_pairs.label_a IS 'Label of critic_a.';
COMMENT ON COLUMN critic_pairs.label_b IS 'Label of critic_b.';
COMMENT ON COLUMN critic_pairs.reason_a IS 'Why, in the words of critic_a.';
COMMENT ON COLUMN critic_pairs.reason_b IS 'Why, in the words of critic_b.';
