CREATE OR REPLACE VIEW tokens_kept_by_label_and_outcome AS
WITH asked AS (
    SELECT DISTINCT 'critic' AS kind, critic AS who, trajectory_id, step_index
    FROM step_verdicts
    WHERE label = 'unlabeled'
    UNION ALL
    SELECT DISTINCT 'gold', gold_set, trajectory_id, step_index
    FROM gold_labels
),
labellers AS (
    SELECT
        split_part(asset, '/', 2) AS arm,
        "partition" AS batch,
        CASE WHEN config ->> '$.gold' IS NULL THEN 'critic' ELSE 'gold' END AS kind,
        coalesce(config ->> '$.gold', config ->> '$.critic') AS who
    FROM partitions
    WHERE starts_with(asset, 'masked_tokens/')
),
never_asked AS (
    SELECT arm, trajectory_id, step_index
    FROM step_tokens
    JOIN labellers USING (arm, batch)
    ANTI JOIN asked USING (kind, who, trajectory_id, step_index)
    WHERE label = 'unlabeled'
)
SELECT
    step.arm,
    step.label,
    step.status,
    count(*) AS steps,
    count(never_asked.arm) AS never_asked,
    count(*) FILTER (step.trained) AS trained_steps,
    sum(step.tokens)::BIGINT AS tokens,
    coalesce(sum(step.tokens) FILTER (step.trained), 0)::BIGINT AS trained_tokens,
    share(trained_tokens, sum(step.tokens)) AS kept_share
FROM step_tokens AS step
LEFT JOIN never_asked USING (arm, trajectory_id, step_index)
GROUP BY step.arm, step.label, step.status
ORDER BY step.arm, step.label, step.status;

COMMENT ON VIEW tokens_kept_by_label_and_outcome IS 'What each arm trains on, by the label of the step and the test outcome of its run.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.arm IS 'The training arm.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.label IS 'Label of the arm''s critic or gold set; NULL where it asks nobody.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.status IS 'Test outcome of the run, as in test_outcomes.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.steps IS 'Steps with this label, each once.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.never_asked IS 'Those that the arm''s critic or gold set was never asked about; the other unlabeled ones are unanswered.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.trained_steps IS 'Those that carry loss.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.tokens IS 'Tokens of the steps.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.trained_tokens IS 'Those that carry loss.';
COMMENT ON COLUMN tokens_kept_by_label_and_outcome.kept_share IS 'Share of the tokens that carries loss, 0 to 1.';
