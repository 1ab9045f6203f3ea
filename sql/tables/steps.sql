-- Lists are indexed, not unnested: DuckDB leaves out a column that a query does not name, but not
-- a list that is unnested. Of runs that several batches hold, few if any, the other copies go.
CREATE OR REPLACE VIEW steps AS
WITH copies AS (
    SELECT trajectory_id, partition_file
    FROM stored_trajectories()
    QUALIFY NOT counts_once(trajectory_id, partition_of(partition_file))
),
cut AS (
    SELECT *, unnest(range(1, n_steps + 1)) AS place
    FROM stored_trajectories()
    ANTI JOIN copies USING (trajectory_id, partition_file)
)
SELECT
    trajectory_id,
    instance_id,
    partition_of(partition_file) AS batch,
    (place - 1)::INTEGER AS step_index,
    step_messages[place] AS message_index,
    step_thoughts[place] AS thought,
    list_transform(
        step_tools[place],
        lambda tool, i: {
            'tool': tool, 'command': step_commands[place][i], 'call_id': step_call_ids[place][i]
        }
    ) AS actions,
    step_observations[place] AS observations,
    step_return_codes[place] AS return_codes,
    step_tools[place][1] AS tool,
    step_commands[place][1] AS command,
    step_words[place] AS command_word,
    list_bool_or(list_transform(step_return_codes[place], lambda code: code <> 0)) AS failed
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
