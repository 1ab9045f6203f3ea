CREATE OR REPLACE VIEW mistake_recovery AS
SELECT
    critic,
    within_steps,
    count(recovered) AS mistakes,
    count(*) - count(recovered) AS unanswered,
    count(*) FILTER (recovered) AS recovered,
    share(count(*) FILTER (recovered), mistakes) AS share
FROM recoveries
GROUP BY critic, within_steps
ORDER BY critic, within_steps;

COMMENT ON VIEW mistake_recovery IS 'Recovery after mistakes: how many are followed by a recover step within so many steps.';
COMMENT ON COLUMN mistake_recovery.critic IS 'The critic.';
COMMENT ON COLUMN mistake_recovery.within_steps IS 'Steps after the mistake that count.';
COMMENT ON COLUMN mistake_recovery.mistakes IS 'Steps labelled mistake of which is known whether a recover step follows, also those near the end of their run.';
COMMENT ON COLUMN mistake_recovery.unanswered IS 'Further mistakes, behind which no recover step, but an unanswered one lies.';
COMMENT ON COLUMN mistake_recovery.recovered IS 'Mistakes followed by a recover step within that reach.';
COMMENT ON COLUMN mistake_recovery.share IS 'recovered / mistakes, 0 to 1.';
