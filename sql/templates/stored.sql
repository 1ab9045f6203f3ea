-- Once for every asset table: its partition files, whatever they lie under (arm, critic).
-- A column that an older partition lacks is NULL. The zero-row _schema.parquet comes first,
-- so that the table exists before any partition does.
CREATE OR REPLACE MACRO $macro() AS TABLE
SELECT *
FROM read_parquet($pattern, schema = $columns, filename = 'partition_file');

COMMENT ON MACRO TABLE $macro IS $comment;
