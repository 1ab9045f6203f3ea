CREATE OR REPLACE VIEW critic_f1 AS
SELECT
    critic,
    max_by(gold_set, (steps, gold_set)) AS gold_set,
    max_by(f1, (steps, gold_set)) AS f1
FROM critic_scores
WHERE question = 'label' AND target = 'mistake' AND f1 IS NOT NULL
GROUP BY critic;

COMMENT ON VIEW critic_f1 IS 'How well each critic finds mistakes, by the gold set with the most steps of those that hold mistakes.';
COMMENT ON COLUMN critic_f1.critic IS 'The critic.';
COMMENT ON COLUMN critic_f1.gold_set IS 'The gold set; of several with as many steps, the last by name.';
COMMENT ON COLUMN critic_f1.f1 IS 'F1 of mistakes.';
