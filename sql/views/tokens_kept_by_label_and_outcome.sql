-- A critic is asked about all steps of a run or about none.
CREATE OR REPLACE VIEW tokens_kept_by_label_and_outcome AS
WITH labellers AS (
    SELECT
        split_part(asset, '/', 2) AS arm,
        "partition" AS batch,
        config ->> '$.gold' AS gold_set,
        CASE WHEN gold_set IS NULL THEN config ->> '$.critic' END AS critic
    FROM partitions
    WHERE starts_with(asset, 'masked_tokens/')
),
asked AS (
    SELECT critic, trajectory_id FROM step_verdicts WHERE step_index = 0
),
never_asked AS (
    SELECT arm, label, status, count(*) AS never_asked
    FROM step_tokens
    JOIN labellers USING (arm, batch)
    ANTI JOIN asked USING (critic, trajectory_id)
    ANTI JOIN gold_labels USING (gold_set, trajectory_id, step_index)
    WHERE label = 'unlabeled'
    GROUP BY arm, label, status
),
kept AS (
    SELECT
        arm,
        label,
        status,
        count(*) AS steps,
        count(*) FILTER (trained) AS trained_steps,
        sum(tokens)::BIGINT AS tokens,
        coalesce(sum(tokens) FILTER (trained), 0)::BIGINT AS trained_tokens
    FROM step_tokens
    GROUP BY arm, label, status
)
SELECT
    arm,
    label,
    status,
    steps,
    coalesce(never_asked, 0) AS never_asked,
    trained_steps,
    tokens,
    trained_tokens,
    share(trained_tokens, tokens) AS kept_share
FROM kept
LEFT JOIN never_asked USING (arm, label, status)
ORDER BY arm, label, status;

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
