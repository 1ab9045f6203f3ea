CREATE OR REPLACE VIEW masked_tokens AS
SELECT
    folder_of(partition_file) AS arm,
    partition_of(partition_file) AS batch,
    trajectory_id,
    instance_id,
    status,
    coalesce(part, 0) AS part,
    n_tokens,
    n_trained,
    n_masked,
    n_tokens - n_trained - n_masked AS n_context,
    input_ids,
    spans
FROM stored_masked_tokens()
SEMI JOIN (
    SELECT trajectory_id, partition_file
    FROM stored_masked_tokens()
    QUALIFY counts_once((folder_of(partition_file), trajectory_id), partition_of(partition_file))
) USING (trajectory_id, partition_file);

COMMENT ON VIEW masked_tokens IS 'Training rows of the arms: token ids and which of them carry loss, one row a run and arm; several where an arm splits too long runs.';
COMMENT ON COLUMN masked_tokens.arm IS 'The training arm.';
COMMENT ON COLUMN masked_tokens.batch IS 'The partition of the run.';
COMMENT ON COLUMN masked_tokens.trajectory_id IS 'The run.';
COMMENT ON COLUMN masked_tokens.instance_id IS 'The task.';
COMMENT ON COLUMN masked_tokens.status IS 'Test outcome of the run, as in test_outcomes.';
COMMENT ON COLUMN masked_tokens.part IS 'Which of the run''s rows, from 0.';
COMMENT ON COLUMN masked_tokens.n_tokens IS 'Tokens of the row: the whole chat, or the part of it that the arm trains with.';
COMMENT ON COLUMN masked_tokens.n_trained IS 'Tokens that carry loss: accepted turns of the assistant, whatever their weight.';
COMMENT ON COLUMN masked_tokens.n_masked IS 'Tokens of turns of the assistant that carry no loss.';
COMMENT ON COLUMN masked_tokens.n_context IS 'Tokens of system, user and tool messages, of the template, and of steps shown again as context; they never carry loss.';
COMMENT ON COLUMN masked_tokens.input_ids IS 'Token ids of the row.';
COMMENT ON COLUMN masked_tokens.spans IS 'Half-open token spans of the assistant''s turns: step, start, end, whether trained, label, loss weight. See step_tokens.';
