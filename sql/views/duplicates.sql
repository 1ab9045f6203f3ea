CREATE OR REPLACE VIEW duplicates AS
WITH copies AS (
    SELECT trajectory_id, partition_of(partition_file) AS batch, source, source_row
    FROM stored_trajectories()
    UNION ALL
    SELECT subject, "partition", source, "row"
    FROM quarantine
    WHERE asset = 'trajectories' AND starts_with(reason, 'duplicate run ')
)
SELECT
    copies.trajectory_id,
    run.instance_id,
    copies.batch,
    copies.source,
    copies.source_row,
    run.batch AS duplicate_of,
    run.source AS original,
    run.source_row AS original_row
FROM copies
JOIN trajectories AS run USING (trajectory_id)
WHERE (copies.batch, copies.source, copies.source_row)
    IS DISTINCT FROM (run.batch, run.source, run.source_row)
ORDER BY copies.batch, copies.source, copies.source_row;

COMMENT ON VIEW duplicates IS 'Copies of runs that are counted elsewhere, one row a copy: the same run in another batch, or once more in its own (SWE-smith''s renderings xml, tool and ticks are one run).';
COMMENT ON COLUMN duplicates.trajectory_id IS 'The run.';
COMMENT ON COLUMN duplicates.instance_id IS 'The task.';
COMMENT ON COLUMN duplicates.batch IS 'The batch of the copy.';
COMMENT ON COLUMN duplicates.source IS 'File of the copy, relative to the ingested folder.';
COMMENT ON COLUMN duplicates.source_row IS 'Row within that file, from 0.';
COMMENT ON COLUMN duplicates.duplicate_of IS 'The batch whose copy is shown, counted and trained on.';
COMMENT ON COLUMN duplicates.original IS 'File of that copy.';
COMMENT ON COLUMN duplicates.original_row IS 'Row within that file.';
