CREATE OR REPLACE VIEW quarantine AS
WITH stamps AS (
    SELECT
        substr(file_name, length(warehouse_path()) + 2) AS place,
        decode(value)::JSON AS stamp
    FROM parquet_kv_metadata(warehouse_glob() || '/**/*.parquet')
    WHERE key = 'srft'::BLOB
)
SELECT
    regexp_extract(stamps.place, '^(.*)/[^/]*$', 1) AS asset,
    partition_of(stamps.place) AS "partition",
    one.refusal.source,
    one.refusal."row",
    one.refusal.subject,
    one.refusal.reason,
    one.refusal.excerpt,
    (stamps.stamp ->> '$.made_at')::TIMESTAMP AS made_at
FROM stamps,
    unnest(
        from_json(
            stamps.stamp -> '$.refused',
            '[{"source": "VARCHAR", "reason": "VARCHAR", "row": "BIGINT", "subject": "VARCHAR", "excerpt": "VARCHAR"}]'
        )
    ) AS one(refusal)
WHERE NOT regexp_matches(stamps.place, '^(critic|verdict)_versions/');

COMMENT ON VIEW quarantine IS 'Inputs that were refused while the rest of their batch went on, one row a refusal.';
COMMENT ON COLUMN quarantine.asset IS 'The asset that refused.';
COMMENT ON COLUMN quarantine.partition IS 'The partition that was being made.';
COMMENT ON COLUMN quarantine.source IS 'The file, relative to the ingested folder, or the asset partition.';
COMMENT ON COLUMN quarantine.row IS 'Row within the source, from 0; NULL where all of it was refused.';
COMMENT ON COLUMN quarantine.subject IS 'The run or task, where it is known.';
COMMENT ON COLUMN quarantine.reason IS 'Why, in one line that says what to do.';
COMMENT ON COLUMN quarantine.excerpt IS 'The first characters of the offending text.';
COMMENT ON COLUMN quarantine.made_at IS 'When, UTC.';
