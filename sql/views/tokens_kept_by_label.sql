CREATE OR REPLACE VIEW tokens_kept_by_label AS
SELECT
    arm,
    label,
    count(*) AS steps,
    count(*) FILTER (trained) AS trained_steps,
    sum(tokens)::BIGINT AS tokens,
    coalesce(sum(tokens) FILTER (trained), 0)::BIGINT AS trained_tokens,
    share(trained_tokens, sum(tokens)) AS kept_share
FROM step_tokens
GROUP BY arm, label
ORDER BY arm, steps DESC, label;

COMMENT ON VIEW tokens_kept_by_label IS 'What each arm trains on, by the critic''s label of the step.';
COMMENT ON COLUMN tokens_kept_by_label.arm IS 'The training arm.';
COMMENT ON COLUMN tokens_kept_by_label.label IS 'The critic''s label; NULL where the arm asks no critic.';
COMMENT ON COLUMN tokens_kept_by_label.steps IS 'Steps with this label.';
COMMENT ON COLUMN tokens_kept_by_label.trained_steps IS 'Those that carry loss.';
COMMENT ON COLUMN tokens_kept_by_label.tokens IS 'Tokens of the steps.';
COMMENT ON COLUMN tokens_kept_by_label.trained_tokens IS 'Those that carry loss.';
COMMENT ON COLUMN tokens_kept_by_label.kept_share IS 'Share of the tokens that carries loss, 0 to 1.';
