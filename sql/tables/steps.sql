-- unnest() stands in the list of columns: after FROM, DuckDB joins the runs to themselves.
CREATE OR REPLACE VIEW steps AS
WITH cut AS (
    SELECT trajectory_id, instance_id, partition_file, unnest(steps) AS step
    FROM stored_trajectories()
    SEMI JOIN (
        SELECT trajectory_id, partition_file
        FROM stored_trajectories()
        QUALIFY counts_once(trajectory_id, partition_of(partition_file))
    ) USING (trajectory_id, partition_file)
)
SELECT
    trajectory_id,
    instance_id,
    partition_of(partition_file) AS batch,
    step.step_index,
    step.message_index,
    step.thought,
    step.actions,
    step.observations,
    step.return_codes,
    step.actions[1].tool AS tool,
    step.actions[1].command AS command,
    command_word(step.actions[1].command) AS command_word,
    list_bool_or(list_transform(step.return_codes, lambda code: code <> 0)) AS failed
FROM cut;

COMMENT ON VIEW steps IS 'Steps of runs: one turn of the assistant with the observations that answer it.';
COMMENT ON COLUMN steps.trajectory_id IS 'The run.';
COMMENT ON COLUMN steps.instance_id IS 'The task.';
COMMENT ON COLUMN steps.batch IS 'The partition of the run.';
COMMENT ON COLUMN steps.step_index IS 'Place in the run, from 0, without gaps.';
COMMENT ON COLUMN steps.message_index IS 'Place of the turn in the run''s messages, from 0.';
COMMENT ON COLUMN steps.thought IS 'Text of the turn without its action.';
COMMENT ON COLUMN steps.actions IS 'Commands in the order given: tool, command, and the id of the tool call.';
COMMENT ON COLUMN steps.observations IS 'Texts that answered, in order.';
COMMENT ON COLUMN steps.return_codes IS 'One return code an observation; NULL where the scaffold states none.';
COMMENT ON COLUMN steps.tool IS 'Tool of the first action (bash, edit, str_replace_editor, …); NULL for a turn without action.';
COMMENT ON COLUMN steps.command IS 'What the first action''s tool was given.';
COMMENT ON COLUMN steps.command_word IS 'Program or sub-command of the first action: grep, python, view, …';
COMMENT ON COLUMN steps.failed IS 'Whether a return code is not 0; NULL where none is stated.';
