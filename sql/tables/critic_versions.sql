CREATE OR REPLACE VIEW critic_versions AS
WITH stamps AS (
    SELECT file_name, (decode(value)::JSON ->> '$.made_at')::TIMESTAMP AS made_at
    FROM parquet_kv_metadata(warehouse_glob() || '/critic_versions/**/*.parquet')
    WHERE key = 'srft'::BLOB
)
SELECT
    critic_of_version(partition_file) AS critic,
    version,
    made_at,
    model,
    prompt,
    settings::JSON AS settings,
    sees_gold_patch
FROM stored_critic_versions()
JOIN stamps ON file_name = partition_file;

COMMENT ON VIEW critic_versions IS 'Every version of a critic that was ever made, the present one included.';
COMMENT ON COLUMN critic_versions.critic IS 'The critic.';
COMMENT ON COLUMN critic_versions.version IS 'The version, as in step_verdicts and verdict_versions.';
COMMENT ON COLUMN critic_versions.made_at IS 'When it was first made, UTC.';
COMMENT ON COLUMN critic_versions.model IS 'The model that was asked.';
COMMENT ON COLUMN critic_versions.prompt IS 'The template.';
COMMENT ON COLUMN critic_versions.settings IS 'Settings that decide verdicts, as JSON.';
COMMENT ON COLUMN critic_versions.sees_gold_patch IS 'Whether the reference solution leaks into the verdicts.';
