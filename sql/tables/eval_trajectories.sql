CREATE OR REPLACE VIEW eval_trajectories AS
SELECT
    folder_of(partition_file) AS arm,
    TRY_CAST(partition_of(partition_file) AS INTEGER) AS seed,
    trajectory_id,
    instance_id,
    repo_of(instance_id) AS repo,
    scaffold,
    format,
    model,
    exit_status,
    submission,
    source_resolved,
    messages,
    tools,
    source,
    source_row,
    stated_id,
    n_steps
FROM stored_eval_trajectories();

COMMENT ON VIEW eval_trajectories IS 'Runs that checkpoints played on held-out tasks, one row an attempt.';
COMMENT ON COLUMN eval_trajectories.arm IS 'The training arm.';
COMMENT ON COLUMN eval_trajectories.seed IS 'Seed of the checkpoint.';
COMMENT ON COLUMN eval_trajectories.trajectory_id IS 'Identity of the run.';
COMMENT ON COLUMN eval_trajectories.instance_id IS 'The held-out task.';
COMMENT ON COLUMN eval_trajectories.repo IS 'owner/name of the task''s repository, read from the instance id; NULL where it names none.';
COMMENT ON COLUMN eval_trajectories.scaffold IS 'The agent program: swe-agent, mini-swe-agent, openhands or unknown.';
COMMENT ON COLUMN eval_trajectories.format IS 'The reader that understood the source.';
COMMENT ON COLUMN eval_trajectories.model IS 'The model that acted, as the source names it.';
COMMENT ON COLUMN eval_trajectories.exit_status IS 'How the run ended, as the scaffold states it.';
COMMENT ON COLUMN eval_trajectories.submission IS 'The submitted patch; NULL where there is none.';
COMMENT ON COLUMN eval_trajectories.source_resolved IS 'Whether the source itself says that the patch passed the tests; NULL where it does not say. What counts is eval_scores.';
COMMENT ON COLUMN eval_trajectories.messages IS 'The whole chat as JSON text: OpenAI messages, loss-free.';
COMMENT ON COLUMN eval_trajectories.tools IS 'JSON schemas of the tools offered, as JSON text; NULL where the scaffold offers none.';
COMMENT ON COLUMN eval_trajectories.source IS 'File the run came from, relative to the folder of the evaluation.';
COMMENT ON COLUMN eval_trajectories.source_row IS 'Row within that file, from 0.';
COMMENT ON COLUMN eval_trajectories.stated_id IS 'The source''s own id of the run.';
COMMENT ON COLUMN eval_trajectories.n_steps IS 'Steps of the run: turns of the assistant.';
