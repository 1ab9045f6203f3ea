CREATE OR REPLACE VIEW critic_agreement_by_label AS
SELECT
    critic_a,
    critic_b,
    label,
    sum(steps)::BIGINT AS steps,
    coalesce(sum(steps) FILTER (label_a = label AND label_b = label), 0)::BIGINT AS by_both,
    coalesce(sum(steps) FILTER (label_a = label AND label_b <> label), 0)::BIGINT AS only_a,
    coalesce(sum(steps) FILTER (label_a <> label AND label_b = label), 0)::BIGINT AS only_b,
    sum(steps)::BIGINT - by_both - only_a - only_b AS by_neither,
    share(by_both + by_neither, sum(steps)::BIGINT) AS agreement,
    wilson_low(by_both + by_neither, sum(steps)::BIGINT) AS agreement_low,
    wilson_high(by_both + by_neither, sum(steps)::BIGINT) AS agreement_high,
    (
        (by_both + only_a)::DOUBLE * (by_both + only_b)
        + (by_neither + only_b)::DOUBLE * (by_neither + only_a)
    ) / sum(steps)::DOUBLE ** 2 AS by_chance,
    (agreement - by_chance) / nullif(1 - by_chance, 0) AS kappa
FROM critic_confusions, (VALUES ('good'), ('unnecessary'), ('mistake'), ('recover')) AS one(label)
WHERE label_a <> 'unlabeled' AND label_b <> 'unlabeled'
GROUP BY critic_a, critic_b, label
ORDER BY critic_a, critic_b, label;

COMMENT ON VIEW critic_agreement_by_label IS 'Agreement of each two critics on one label against the rest, over the steps both labelled. Intervals take steps for independent.';
COMMENT ON COLUMN critic_agreement_by_label.critic_a IS 'One critic.';
COMMENT ON COLUMN critic_agreement_by_label.critic_b IS 'The other, later in the alphabet.';
COMMENT ON COLUMN critic_agreement_by_label.label IS 'good, unnecessary, mistake or recover.';
COMMENT ON COLUMN critic_agreement_by_label.steps IS 'Steps that both gave a label other than unlabeled.';
COMMENT ON COLUMN critic_agreement_by_label.by_both IS 'Steps that both give this label.';
COMMENT ON COLUMN critic_agreement_by_label.only_a IS 'Steps that critic_a alone gives it.';
COMMENT ON COLUMN critic_agreement_by_label.only_b IS 'Steps that critic_b alone gives it.';
COMMENT ON COLUMN critic_agreement_by_label.by_neither IS 'Steps that neither gives it.';
COMMENT ON COLUMN critic_agreement_by_label.agreement IS '(by_both + by_neither) / steps, 0 to 1.';
COMMENT ON COLUMN critic_agreement_by_label.agreement_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN critic_agreement_by_label.agreement_high IS 'Upper end.';
COMMENT ON COLUMN critic_agreement_by_label.by_chance IS 'Agreement to expect if both gave the label at random, as often as they do.';
COMMENT ON COLUMN critic_agreement_by_label.kappa IS 'Cohen''s kappa of the label against the rest; NULL where both always say the same.';
