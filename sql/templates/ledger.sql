-- Files of writers, which may grow at this moment, and those that compaction made. A line that is
-- torn comes as NULLs. The empty _schema files stand in until the first answer.
CREATE OR REPLACE MACRO stored_ledger() AS TABLE
SELECT *
FROM read_json(
    $lines,
    format = 'newline_delimited',
    ignore_errors = true,
    columns = $line_columns
)
UNION ALL BY NAME
SELECT *
FROM read_parquet($compacted, schema = $columns);

COMMENT ON MACRO TABLE stored_ledger IS 'Lines and rows of the ledger, as its files hold them: a key may come twice.';
