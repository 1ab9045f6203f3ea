CREATE OR REPLACE VIEW tokens_kept_by_label AS
SELECT
    arm,
    label,
    sum(steps)::BIGINT AS steps,
    sum(never_asked)::BIGINT AS never_asked,
    sum(trained_steps)::BIGINT AS trained_steps,
    sum(tokens)::BIGINT AS tokens,
    sum(trained_tokens)::BIGINT AS trained_tokens,
    share(sum(trained_tokens), sum(tokens)) AS kept_share
FROM tokens_kept_by_label_and_outcome
GROUP BY arm, label
ORDER BY arm, sum(steps) DESC, label;

COMMENT ON VIEW tokens_kept_by_label IS 'What each arm trains on, by the label of the step.';
COMMENT ON COLUMN tokens_kept_by_label.arm IS 'The training arm.';
COMMENT ON COLUMN tokens_kept_by_label.label IS 'Label of the arm''s critic or gold set; NULL where it asks nobody.';
COMMENT ON COLUMN tokens_kept_by_label.steps IS 'Steps with this label, each once.';
COMMENT ON COLUMN tokens_kept_by_label.never_asked IS 'Those that the arm''s critic or gold set was never asked about; the other unlabeled ones are unanswered.';
COMMENT ON COLUMN tokens_kept_by_label.trained_steps IS 'Those that carry loss.';
COMMENT ON COLUMN tokens_kept_by_label.tokens IS 'Tokens of the steps.';
COMMENT ON COLUMN tokens_kept_by_label.trained_tokens IS 'Those that carry loss.';
COMMENT ON COLUMN tokens_kept_by_label.kept_share IS 'Share of the tokens that carries loss, 0 to 1.';
