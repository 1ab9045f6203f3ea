CREATE OR REPLACE VIEW step_tokens AS
SELECT
    folder_of(run.partition_file) AS arm,
    partition_of(run.partition_file) AS batch,
    run.trajectory_id,
    run.status,
    coalesce(run.part, 0) AS part,
    turn.span.step_index,
    turn.span."start" AS token_start,
    turn.span."end" AS token_end,
    turn.span."end" - turn.span."start" AS tokens,
    turn.span.trained,
    turn.span.label,
    CASE WHEN turn.span.trained THEN coalesce(turn.span.weight, 1) ELSE 0 END AS weight
FROM stored_masked_tokens() AS run
SEMI JOIN (
    SELECT trajectory_id, partition_file
    FROM stored_masked_tokens()
    QUALIFY counts_once((folder_of(partition_file), trajectory_id), partition_of(partition_file))
) USING (trajectory_id, partition_file),
    unnest(run.spans) AS turn(span);

COMMENT ON VIEW step_tokens IS 'Tokens of each step in each arm: where they lie and whether they carry loss.';
COMMENT ON COLUMN step_tokens.arm IS 'The training arm.';
COMMENT ON COLUMN step_tokens.batch IS 'The partition of the run.';
COMMENT ON COLUMN step_tokens.trajectory_id IS 'The run.';
COMMENT ON COLUMN step_tokens.status IS 'Test outcome of the run, as in test_outcomes.';
COMMENT ON COLUMN step_tokens.part IS 'The row of masked_tokens, where a run has several.';
COMMENT ON COLUMN step_tokens.step_index IS 'The step, from 0.';
COMMENT ON COLUMN step_tokens.token_start IS 'First token of the turn in masked_tokens.input_ids, from 0.';
COMMENT ON COLUMN step_tokens.token_end IS 'The token after the turn''s last one (its end-of-turn token is part of it).';
COMMENT ON COLUMN step_tokens.tokens IS 'Tokens of the turn.';
COMMENT ON COLUMN step_tokens.trained IS 'Whether they carry loss.';
COMMENT ON COLUMN step_tokens.label IS 'Label of the arm''s critic or gold set; unlabeled where it has none, be the step unanswered or never asked about; NULL where the arm asks nobody.';
COMMENT ON COLUMN step_tokens.weight IS 'Loss weight of each token, 0 where masked.';
