-- Also for tables with several rows a run: of the batches that hold it, all rows of the first.
CREATE OR REPLACE MACRO counts_once(run, batch) AS rank() OVER (PARTITION BY run ORDER BY batch) = 1;

COMMENT ON MACRO counts_once IS 'For QUALIFY: whether the batch is the first by name that holds the run. A run that several batches hold is shown, counted and trained on once.';
