CREATE OR REPLACE VIEW seed_spread AS
SELECT
    arm,
    count(*) AS seeds,
    count(rate) AS scored_seeds,
    avg(rate) AS mean_rate,
    stddev_samp(rate) AS deviation,
    min(rate) AS lowest,
    max(rate) AS highest
FROM seed_scores
GROUP BY arm
ORDER BY arm;

COMMENT ON VIEW seed_spread IS 'How far the seeds of an arm lie apart. Each counts the same, however many attempts it has; arms may have other seeds.';
COMMENT ON COLUMN seed_spread.arm IS 'The training arm.';
COMMENT ON COLUMN seed_spread.seeds IS 'Checkpoints played.';
COMMENT ON COLUMN seed_spread.scored_seeds IS 'Those with a scored attempt, and so with a rate; the other columns are over these.';
COMMENT ON COLUMN seed_spread.mean_rate IS 'Mean of their resolution rates.';
COMMENT ON COLUMN seed_spread.deviation IS 'Standard deviation of the rates; NULL with fewer than two.';
COMMENT ON COLUMN seed_spread.lowest IS 'Rate of the worst seed.';
COMMENT ON COLUMN seed_spread.highest IS 'Rate of the best seed.';
