CREATE OR REPLACE VIEW verdict_versions AS
WITH stamps AS (
    SELECT file_name, (decode(value)::JSON ->> '$.made_at')::TIMESTAMP AS made_at
    FROM parquet_kv_metadata(warehouse_glob() || '/verdict_versions/**/*.parquet')
    WHERE key = 'srft'::BLOB
)
SELECT
    critic_of_version(partition_file) AS critic,
    folder_of(partition_file) AS batch,
    version,
    made_at,
    trajectory_id,
    step_index,
    label,
    reason,
    rule,
    call
FROM stored_verdict_versions()
JOIN stamps ON file_name = partition_file
SEMI JOIN (
    SELECT trajectory_id, partition_file
    FROM stored_verdict_versions()
    JOIN stamps ON file_name = partition_file
    WHERE step_index = 0
    QUALIFY row_number() OVER (
        PARTITION BY critic_of_version(partition_file), version, trajectory_id
        ORDER BY made_at DESC, partition_file
    ) = 1
) USING (trajectory_id, partition_file);

COMMENT ON VIEW verdict_versions IS 'Verdicts of every version of a critic, the present one included, one row a step and version: of a run that several batches held, the last verdict.';
COMMENT ON COLUMN verdict_versions.critic IS 'Who judged.';
COMMENT ON COLUMN verdict_versions.batch IS 'The batch in which it last judged the run.';
COMMENT ON COLUMN verdict_versions.version IS 'Version of the critic: its prompt, settings and code.';
COMMENT ON COLUMN verdict_versions.made_at IS 'When the version last judged the batch, UTC.';
COMMENT ON COLUMN verdict_versions.trajectory_id IS 'The run.';
COMMENT ON COLUMN verdict_versions.step_index IS 'The step, from 0.';
COMMENT ON COLUMN verdict_versions.label IS 'good, unnecessary, mistake, recover or unlabeled.';
COMMENT ON COLUMN verdict_versions.reason IS 'Why, in the critic''s words.';
COMMENT ON COLUMN verdict_versions.rule IS 'What decided: the name of a rule, or the critic''s model.';
COMMENT ON COLUMN verdict_versions.call IS 'Key in critic_calls of the call that answered; NULL where no model was asked.';
