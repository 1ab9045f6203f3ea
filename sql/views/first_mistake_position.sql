CREATE OR REPLACE VIEW first_mistake_position AS
SELECT
    critic,
    status,
    count(has_mistake) AS runs,
    count(*) - count(has_mistake) AS unanswered_runs,
    count(first_mistake) AS runs_with_mistake,
    share(runs_with_mistake, count(has_mistake)) AS share_with_mistake,
    median(first_mistake) AS median_step,
    quantile_cont(position, 0.25) AS position_q1,
    median(position) AS position_median,
    quantile_cont(position, 0.75) AS position_q3
FROM first_mistakes
GROUP BY critic, status
ORDER BY critic, count(has_mistake) DESC, status;

COMMENT ON VIEW first_mistake_position IS 'Where runs go wrong: position of the first mistake, by critic and outcome.';
COMMENT ON COLUMN first_mistake_position.critic IS 'The critic.';
COMMENT ON COLUMN first_mistake_position.status IS 'Test outcome of the runs.';
COMMENT ON COLUMN first_mistake_position.runs IS 'Runs of which the critic tells whether they hold a mistake: all steps labelled, or one labelled mistake.';
COMMENT ON COLUMN first_mistake_position.unanswered_runs IS 'Runs that it was asked about without learning that: no step is labelled mistake, and some or all are unanswered.';
COMMENT ON COLUMN first_mistake_position.runs_with_mistake IS 'Runs with at least one mistake.';
COMMENT ON COLUMN first_mistake_position.share_with_mistake IS 'runs_with_mistake / runs, 0 to 1.';
COMMENT ON COLUMN first_mistake_position.median_step IS 'Median index of the first mistake, from 0.';
COMMENT ON COLUMN first_mistake_position.position_q1 IS 'First quartile of its position in the run, 0 to 1.';
COMMENT ON COLUMN first_mistake_position.position_median IS 'Median of its position in the run, 0 to 1.';
COMMENT ON COLUMN first_mistake_position.position_q3 IS 'Third quartile of its position in the run, 0 to 1.';
