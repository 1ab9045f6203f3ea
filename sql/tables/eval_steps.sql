CREATE OR REPLACE VIEW eval_steps AS
SELECT
    folder_of(partition_file) AS arm,
    TRY_CAST(partition_of(partition_file) AS INTEGER) AS seed,
    trajectory_id,
    instance_id,
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
FROM (SELECT *, unnest(range(1, n_steps + 1)) AS place FROM stored_eval_trajectories());

COMMENT ON VIEW eval_steps IS 'Steps of the runs that checkpoints played.';
COMMENT ON COLUMN eval_steps.arm IS 'The training arm.';
COMMENT ON COLUMN eval_steps.seed IS 'Seed of the checkpoint.';
COMMENT ON COLUMN eval_steps.trajectory_id IS 'The run.';
COMMENT ON COLUMN eval_steps.instance_id IS 'The task.';
COMMENT ON COLUMN eval_steps.step_index IS 'Place in the run, from 0, without gaps.';
COMMENT ON COLUMN eval_steps.message_index IS 'Place of the turn in the run''s messages, from 0.';
COMMENT ON COLUMN eval_steps.thought IS 'Text of the turn without its action.';
COMMENT ON COLUMN eval_steps.actions IS 'Commands in the order given: tool, command, and the id of the tool call.';
COMMENT ON COLUMN eval_steps.observations IS 'Texts that answered, in order.';
COMMENT ON COLUMN eval_steps.return_codes IS 'One return code an observation; NULL where the scaffold states none.';
COMMENT ON COLUMN eval_steps.tool IS 'Tool of the first action (bash, edit, str_replace_editor, …); NULL for a turn without action.';
COMMENT ON COLUMN eval_steps.command IS 'What the first action''s tool was given.';
COMMENT ON COLUMN eval_steps.command_word IS 'Program or sub-command of the first action: grep, python, view, …';
COMMENT ON COLUMN eval_steps.failed IS 'Whether a return code is not 0; NULL where none is stated.';
