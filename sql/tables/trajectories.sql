CREATE OR REPLACE VIEW trajectories AS
SELECT
    trajectory_id,
    instance_id,
    repo_of(instance_id) AS repo,
    partition_of(partition_file) AS batch,
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
FROM stored_trajectories()
SEMI JOIN (
    SELECT trajectory_id, partition_file
    FROM stored_trajectories()
    QUALIFY counts_once(trajectory_id, partition_of(partition_file))
) USING (trajectory_id, partition_file);

COMMENT ON VIEW trajectories IS 'Recorded runs of coding agents, one row a run, also where several batches hold it.';
COMMENT ON COLUMN trajectories.trajectory_id IS 'Identity of the run, the same whenever it is ingested again: <instance_id>.<12 hex digits>.';
COMMENT ON COLUMN trajectories.instance_id IS 'The task; unknown where the source does not say.';
COMMENT ON COLUMN trajectories.repo IS 'owner/name of the task''s repository, read from the instance id; NULL where it names none.';
COMMENT ON COLUMN trajectories.batch IS 'The partition: a few hundred runs that were ingested together; of a run that several hold, the first by name.';
COMMENT ON COLUMN trajectories.scaffold IS 'The agent program: swe-agent, mini-swe-agent, openhands or unknown.';
COMMENT ON COLUMN trajectories.format IS 'The reader that understood the source.';
COMMENT ON COLUMN trajectories.model IS 'The model that acted, as the source names it.';
COMMENT ON COLUMN trajectories.exit_status IS 'How the run ended, as the scaffold states it.';
COMMENT ON COLUMN trajectories.submission IS 'The submitted patch; NULL where there is none.';
COMMENT ON COLUMN trajectories.source_resolved IS 'Whether the source itself says that the patch passed the tests; NULL where it does not say. What counts is test_outcomes.';
COMMENT ON COLUMN trajectories.messages IS 'The whole chat as JSON text: OpenAI messages, loss-free.';
COMMENT ON COLUMN trajectories.tools IS 'JSON schemas of the tools offered, as JSON text; NULL where the scaffold offers none.';
COMMENT ON COLUMN trajectories.source IS 'File the run came from, relative to the ingested folder.';
COMMENT ON COLUMN trajectories.source_row IS 'Row within that file, from 0.';
COMMENT ON COLUMN trajectories.stated_id IS 'The source''s own id of the run.';
COMMENT ON COLUMN trajectories.n_steps IS 'Steps of the run: turns of the assistant.';
