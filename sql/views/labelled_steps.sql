CREATE OR REPLACE VIEW labelled_steps AS
SELECT
    verdict.critic,
    verdict.label,
    verdict.rule,
    verdict.reason,
    step.trajectory_id,
    step.instance_id,
    step.batch,
    step.step_index,
    run.n_steps,
    least(10, 1 + (10 * step.step_index) // greatest(run.n_steps, 1))::INTEGER AS decile,
    step.tool,
    step.command_word,
    step.command,
    step.failed,
    run.scaffold,
    run.model,
    run.status
FROM step_verdicts AS verdict
JOIN steps AS step USING (trajectory_id, step_index)
JOIN runs AS run USING (trajectory_id);

COMMENT ON VIEW labelled_steps IS 'Steps with each critic''s label and what is known of step and run: the base of the label statistics.';
COMMENT ON COLUMN labelled_steps.critic IS 'The critic.';
COMMENT ON COLUMN labelled_steps.label IS 'good, unnecessary, mistake, recover or unlabeled.';
COMMENT ON COLUMN labelled_steps.rule IS 'What decided: a rule, or the critic''s model.';
COMMENT ON COLUMN labelled_steps.reason IS 'Why, in the critic''s words.';
COMMENT ON COLUMN labelled_steps.trajectory_id IS 'The run.';
COMMENT ON COLUMN labelled_steps.instance_id IS 'The task.';
COMMENT ON COLUMN labelled_steps.batch IS 'The partition of the run.';
COMMENT ON COLUMN labelled_steps.step_index IS 'The step, from 0.';
COMMENT ON COLUMN labelled_steps.n_steps IS 'Steps of the run.';
COMMENT ON COLUMN labelled_steps.decile IS 'Tenth of the run that the step lies in, 1 to 10.';
COMMENT ON COLUMN labelled_steps.tool IS 'Tool of the first action.';
COMMENT ON COLUMN labelled_steps.command_word IS 'Program or sub-command of the first action.';
COMMENT ON COLUMN labelled_steps.command IS 'What the first action''s tool was given.';
COMMENT ON COLUMN labelled_steps.failed IS 'Whether a return code is not 0; NULL where none is stated.';
COMMENT ON COLUMN labelled_steps.scaffold IS 'The agent program.';
COMMENT ON COLUMN labelled_steps.model IS 'The model that acted.';
COMMENT ON COLUMN labelled_steps.status IS 'Test outcome of the run.';
