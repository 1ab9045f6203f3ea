CREATE OR REPLACE VIEW outcomes AS
SELECT batch, status, count(*) AS runs, share(count(*), sum(count(*)) OVER (PARTITION BY batch)) AS share
FROM test_outcomes
GROUP BY batch, status
ORDER BY batch, runs DESC, status;

COMMENT ON VIEW outcomes IS 'Test outcomes by batch.';
COMMENT ON COLUMN outcomes.batch IS 'The partition.';
COMMENT ON COLUMN outcomes.status IS 'Test outcome.';
COMMENT ON COLUMN outcomes.runs IS 'Runs with this outcome.';
COMMENT ON COLUMN outcomes.share IS 'Share among the batch''s runs, 0 to 1.';
