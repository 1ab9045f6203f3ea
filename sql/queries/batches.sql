-- Every batch: its runs and steps, what the tests said of them, and who graded.
-- Which batches are there, and are they graded?
SELECT
    batch,
    count(*) AS runs,
    sum(n_steps)::BIGINT AS steps,
    count(*) FILTER (resolved) AS resolved,
    count(*) FILTER (NOT resolved) AS failed,
    count(*) FILTER (resolved IS NULL) AS unknown,
    string_agg(DISTINCT grader, ', ' ORDER BY grader) AS graded_by
FROM runs
GROUP BY batch
ORDER BY batch
