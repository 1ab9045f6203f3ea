CREATE OR REPLACE VIEW step_tokens AS
SELECT
    folder_of(run.partition_file) AS arm,
    partition_of(run.partition_file) AS batch,
    run.trajectory_id,
    turn.span.step_index,
    turn.span."start" AS token_start,
    turn.span."end" AS token_end,
    turn.span."end" - turn.span."start" AS tokens,
    turn.span.trained,
    turn.span.label
FROM stored_masked_tokens() AS run, unnest(run.spans) AS turn(span);

COMMENT ON VIEW step_tokens IS 'Tokens of each step in each arm: where they lie and whether they carry loss.';
COMMENT ON COLUMN step_tokens.arm IS 'The training arm.';
COMMENT ON COLUMN step_tokens.batch IS 'The partition of the run.';
COMMENT ON COLUMN step_tokens.trajectory_id IS 'The run.';
COMMENT ON COLUMN step_tokens.step_index IS 'The step, from 0.';
COMMENT ON COLUMN step_tokens.token_start IS 'First token of the turn in masked_tokens.input_ids, from 0.';
COMMENT ON COLUMN step_tokens.token_end IS 'The token after the turn''s last one (its end-of-turn token is part of it).';
COMMENT ON COLUMN step_tokens.tokens IS 'Tokens of the turn.';
COMMENT ON COLUMN step_tokens.trained IS 'Whether they carry loss.';
COMMENT ON COLUMN step_tokens.label IS 'The critic''s label that decided; NULL where the arm asks no critic.';
