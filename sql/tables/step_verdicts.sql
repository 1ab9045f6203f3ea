CREATE OR REPLACE VIEW step_verdicts AS
SELECT
    folder_of(partition_file) AS critic,
    partition_of(partition_file) AS batch,
    trajectory_id,
    step_index,
    label,
    reason,
    rule,
    call,
    version,
    tokens_cut
FROM stored_step_verdicts()
SEMI JOIN (
    SELECT trajectory_id, partition_file
    FROM (
        SELECT trajectory_id, partition_file, partition_of(partition_file) AS batch
        FROM stored_step_verdicts()
        WHERE step_index = 0
    )
    SEMI JOIN held_runs() USING (trajectory_id, batch)
    QUALIFY counts_once((folder_of(partition_file), trajectory_id), batch)
) USING (trajectory_id, partition_file);

COMMENT ON VIEW step_verdicts IS 'Judgements of critics, one row a step and critic. Steps that a critic was never asked about have none, runs that their batch no longer holds neither.';
COMMENT ON COLUMN step_verdicts.critic IS 'Who judged.';
COMMENT ON COLUMN step_verdicts.batch IS 'The partition of the run.';
COMMENT ON COLUMN step_verdicts.trajectory_id IS 'The run.';
COMMENT ON COLUMN step_verdicts.step_index IS 'The step, from 0.';
COMMENT ON COLUMN step_verdicts.label IS 'good, unnecessary, mistake or recover (arXiv 2605.10674); unlabeled where the critic gave no valid answer: unanswered.';
COMMENT ON COLUMN step_verdicts.reason IS 'Why, in the critic''s words.';
COMMENT ON COLUMN step_verdicts.rule IS 'What decided: the name of a rule, or the critic''s model.';
COMMENT ON COLUMN step_verdicts.call IS 'Key in critic_calls of the call that answered; NULL where no model was asked.';
COMMENT ON COLUMN step_verdicts.version IS 'Version of the critic: its prompt, settings and code.';
COMMENT ON COLUMN step_verdicts.tokens_cut IS 'Tokens of the step that the critic was not shown, because it was too long.';
