-- How well critics agree with gold sets on mistakes.
SELECT
    critic, gold_set, steps, support, precision, recall, f1, f1_low, f1_high, kappa, annotators
FROM critic_scores
WHERE question = 'label' AND target = 'mistake'
ORDER BY critic, gold_set
