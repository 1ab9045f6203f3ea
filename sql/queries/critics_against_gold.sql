-- Critics against gold labels.
-- How well does each critic find the steps that an arm masks, by gold set?
SELECT
    critic,
    gold_set,
    target AS masked,
    steps,
    runs,
    support,
    precision,
    recall,
    f1,
    f1_low AS low,
    f1_high AS high,
    kappa,
    annotator_kappa AS people,
    unlabeled,
    missing
FROM critic_scores
WHERE question = 'mask'
ORDER BY gold_set, masked, f1 DESC, critic;
