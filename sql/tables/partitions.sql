CREATE OR REPLACE VIEW partitions AS
WITH files AS (
    SELECT
        file_name,
        num_rows,
        file_size_bytes,
        substr(file_name, length(warehouse_path()) + 2) AS place
    FROM parquet_file_metadata(warehouse_glob() || '/**/*.parquet')
),
stamps AS (
    SELECT file_name, decode(value)::JSON AS stamp
    FROM parquet_kv_metadata(warehouse_glob() || '/**/*.parquet')
    WHERE key = 'srft'::BLOB
)
SELECT
    regexp_extract(files.place, '^(.*)/[^/]*$', 1) AS asset,
    partition_of(files.place) AS "partition",
    stamp ->> '$.fingerprint' AS fingerprint,
    stamp -> '$.recipe.code' AS code,
    stamp -> '$.recipe.config' AS config,
    stamp -> '$.recipe.inputs' AS inputs,
    stamp ->> '$.data_version' AS data_version,
    files.num_rows AS "rows",
    coalesce(json_array_length(stamp, '$.refused'), 0)::BIGINT AS refused,
    (stamp ->> '$.made_at')::TIMESTAMP AS made_at,
    stamp ->> '$.run_id' AS run_id,
    files.file_size_bytes::BIGINT AS bytes,
    files.place AS file
FROM files
LEFT JOIN stamps USING (file_name)
WHERE NOT starts_with(partition_of(files.place), '_')
  AND NOT regexp_matches(files.place, '^((critic|verdict)_versions|critic_calls)/');

COMMENT ON VIEW partitions IS 'Every partition of every asset: what it was made from, what came out, when, by which run.';
COMMENT ON COLUMN partitions.asset IS 'Asset key, e.g. masked_tokens/srft.';
COMMENT ON COLUMN partitions.partition IS 'The batch, the seed, or all where the asset has no partitions.';
COMMENT ON COLUMN partitions.fingerprint IS 'Hash of the provenance (code, config, inputs), known before the partition is made.';
COMMENT ON COLUMN partitions.code IS 'Provenance: the stage''s version, and digests of code that people extend, as JSON.';
COMMENT ON COLUMN partitions.config IS 'Provenance: settings, as JSON.';
COMMENT ON COLUMN partitions.inputs IS 'Provenance: upstream partition and its data version, as JSON.';
COMMENT ON COLUMN partitions.data_version IS 'Hash of the content that matters, known afterwards: equal where nothing downstream need be made again.';
COMMENT ON COLUMN partitions.rows IS 'Rows of the partition.';
COMMENT ON COLUMN partitions.refused IS 'Inputs that were refused while it was made; see quarantine.';
COMMENT ON COLUMN partitions.made_at IS 'When it was made, UTC.';
COMMENT ON COLUMN partitions.run_id IS 'The Dagster run that made it, or local.';
COMMENT ON COLUMN partitions.bytes IS 'Size of its file, in bytes.';
COMMENT ON COLUMN partitions.file IS 'Its Parquet file, relative to the warehouse.';
