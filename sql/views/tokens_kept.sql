CREATE OR REPLACE VIEW tokens_kept AS
SELECT
    arm,
    count(DISTINCT trajectory_id) AS runs,
    count(DISTINCT trajectory_id) FILTER (status = 'resolved') AS resolved_runs,
    sum(n_tokens)::BIGINT AS tokens,
    sum(n_trained)::BIGINT AS trained,
    sum(n_masked)::BIGINT AS masked,
    sum(n_context)::BIGINT AS context,
    share(trained, trained + masked) AS kept_share
FROM masked_tokens
GROUP BY arm
ORDER BY arm;

COMMENT ON VIEW tokens_kept IS 'Tokens of each arm over all its masked batches: with loss, masked, context. An arm trains on the batches its YAML names.';
COMMENT ON COLUMN tokens_kept.arm IS 'The training arm.';
COMMENT ON COLUMN tokens_kept.runs IS 'Runs masked for it.';
COMMENT ON COLUMN tokens_kept.resolved_runs IS 'Those whose patch passed the tests when they were masked.';
COMMENT ON COLUMN tokens_kept.tokens IS 'Tokens of their rows: where an arm splits a run, what is shown again counts again.';
COMMENT ON COLUMN tokens_kept.trained IS 'Tokens that carry loss.';
COMMENT ON COLUMN tokens_kept.masked IS 'Tokens of the assistant''s turns that carry no loss.';
COMMENT ON COLUMN tokens_kept.context IS 'Tokens of everybody else, of the template, and of steps that a further row of the run shows again.';
COMMENT ON COLUMN tokens_kept.kept_share IS 'trained / (trained + masked), 0 to 1: of the assistant''s tokens, those shown again left out.';
