CREATE OR REPLACE VIEW critic_confusions AS
SELECT critic_a, critic_b, label_a, label_b, count(*) AS steps
FROM critic_pairs
GROUP BY critic_a, critic_b, label_a, label_b
ORDER BY critic_a, critic_b, steps DESC, label_a, label_b;

COMMENT ON VIEW critic_confusions IS 'Which label of one critic meets which label of another.';
COMMENT ON COLUMN critic_confusions.critic_a IS 'One critic.';
COMMENT ON COLUMN critic_confusions.critic_b IS 'The other, later in the alphabet.';
COMMENT ON COLUMN critic_confusions.label_a IS 'Label of critic_a.';
COMMENT ON COLUMN critic_confusions.label_b IS 'Label of critic_b.';
COMMENT ON COLUMN critic_confusions.steps IS 'Steps labelled so.';
