CREATE OR REPLACE VIEW tokens_kept_by_batch AS
WITH made AS (
    SELECT split_part(asset, '/', 2) AS arm, "partition" AS batch, refused
    FROM partitions
    WHERE starts_with(asset, 'masked_tokens/')
),
kept AS (
    SELECT
        arm,
        batch,
        count(DISTINCT trajectory_id) AS runs,
        count(DISTINCT trajectory_id) FILTER (status = 'resolved') AS resolved_runs,
        sum(n_tokens)::BIGINT AS tokens,
        sum(n_trained)::BIGINT AS trained,
        sum(n_masked)::BIGINT AS masked,
        sum(n_context)::BIGINT AS context
    FROM masked_tokens
    GROUP BY arm, batch
)
SELECT
    arm,
    batch,
    coalesce(runs, 0) AS runs,
    coalesce(resolved_runs, 0) AS resolved_runs,
    refused,
    coalesce(tokens, 0) AS tokens,
    coalesce(trained, 0) AS trained,
    coalesce(masked, 0) AS masked,
    coalesce(context, 0) AS context,
    share(trained, trained + masked) AS kept_share
FROM made
LEFT JOIN kept USING (arm, batch)
ORDER BY arm, batch;

COMMENT ON VIEW tokens_kept_by_batch IS 'Tokens of each arm and batch: with loss, masked, context. Why runs were refused is in quarantine.';
COMMENT ON COLUMN tokens_kept_by_batch.arm IS 'The training arm.';
COMMENT ON COLUMN tokens_kept_by_batch.batch IS 'The batch that was masked.';
COMMENT ON COLUMN tokens_kept_by_batch.runs IS 'Runs masked for the arm.';
COMMENT ON COLUMN tokens_kept_by_batch.resolved_runs IS 'Those whose patch passed the tests when they were masked.';
COMMENT ON COLUMN tokens_kept_by_batch.refused IS 'Runs, or steps that fit no row, that were refused.';
COMMENT ON COLUMN tokens_kept_by_batch.tokens IS 'Tokens of their rows: where an arm splits a run, what is shown again counts again.';
COMMENT ON COLUMN tokens_kept_by_batch.trained IS 'Tokens that carry loss.';
COMMENT ON COLUMN tokens_kept_by_batch.masked IS 'Tokens of the assistant''s turns that carry no loss.';
COMMENT ON COLUMN tokens_kept_by_batch.context IS 'Tokens of everybody else, of the template, and of steps that a further row of the run shows again.';
COMMENT ON COLUMN tokens_kept_by_batch.kept_share IS 'trained / (trained + masked), 0 to 1: of the assistant''s tokens, those shown again left out.';
