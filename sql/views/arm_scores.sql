CREATE OR REPLACE VIEW arm_scores AS
SELECT
    arm,
    count(DISTINCT seed) AS seeds,
    count(*) AS attempts,
    count(resolved) AS scored,
    count(*) FILTER (resolved) AS resolved_attempts,
    share(resolved_attempts, scored) AS rate,
    wilson_low(resolved_attempts, scored) AS rate_low,
    wilson_high(resolved_attempts, scored) AS rate_high,
    count(*) FILTER (status = 'infra_error') AS infra_errors,
    avg(n_steps) AS mean_steps,
    avg(cost_usd) AS mean_cost_usd,
    count(*) FILTER (contaminated) AS contaminated,
    count(*) FILTER (approximate) AS approximate,
    count(*) FILTER (tainted) AS tainted,
    share(count(*) FILTER (resolved AND tainted IS NOT TRUE), scored) AS rate_untainted
FROM eval_scores
GROUP BY arm
ORDER BY arm;

COMMENT ON VIEW arm_scores IS 'Resolution rate of each arm, attempts of all seeds pooled. The interval takes attempts for independent, which those of several seeds at one task are not: srft compare resamples tasks and seeds.';
COMMENT ON COLUMN arm_scores.arm IS 'The training arm.';
COMMENT ON COLUMN arm_scores.seeds IS 'Checkpoints played.';
COMMENT ON COLUMN arm_scores.attempts IS 'Attempts at held-out tasks.';
COMMENT ON COLUMN arm_scores.scored IS 'Attempts that count: the grader neither failed nor is missing.';
COMMENT ON COLUMN arm_scores.resolved_attempts IS 'Attempts whose patch passes the tests.';
COMMENT ON COLUMN arm_scores.rate IS 'resolved_attempts / scored.';
COMMENT ON COLUMN arm_scores.rate_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN arm_scores.rate_high IS 'Upper end of its 95% Wilson interval.';
COMMENT ON COLUMN arm_scores.infra_errors IS 'Attempts whose grading failed; they are no failure of the model. What else is missing in scored nobody graded.';
COMMENT ON COLUMN arm_scores.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN arm_scores.mean_cost_usd IS 'Mean cost of the attempts whose cost is known, in USD; NULL where none is.';
COMMENT ON COLUMN arm_scores.contaminated IS 'Attempts at tasks that the arm was trained on.';
COMMENT ON COLUMN arm_scores.approximate IS 'Attempts whose grader stands in for the official one.';
COMMENT ON COLUMN arm_scores.tainted IS 'Attempts that read the fix, disabled tests or hard-coded answers.';
COMMENT ON COLUMN arm_scores.rate_untainted IS 'The rate where tainted attempts do not count as resolved.';
