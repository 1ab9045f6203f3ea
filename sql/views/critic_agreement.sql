CREATE OR REPLACE VIEW critic_agreement AS
WITH labelled AS (
    SELECT *
    FROM critic_confusions
    WHERE label_a <> 'unlabeled' AND label_b <> 'unlabeled'
),
pairs AS (
    SELECT critic_a, critic_b, sum(steps)::BIGINT AS steps,
        (sum(steps) FILTER (label_a = label_b))::BIGINT AS agreed
    FROM labelled
    GROUP BY critic_a, critic_b
),
rows_a AS (
    SELECT critic_a, critic_b, label_a AS label, sum(steps) AS steps
    FROM labelled
    GROUP BY critic_a, critic_b, label_a
),
rows_b AS (
    SELECT critic_a, critic_b, label_b AS label, sum(steps) AS steps
    FROM labelled
    GROUP BY critic_a, critic_b, label_b
),
chance AS (
    SELECT critic_a, critic_b, sum(rows_a.steps * rows_b.steps) AS products
    FROM rows_a
    JOIN rows_b USING (critic_a, critic_b, label)
    GROUP BY critic_a, critic_b
)
SELECT
    pairs.critic_a,
    pairs.critic_b,
    pairs.steps,
    coalesce(pairs.agreed, 0) AS agreed,
    share(coalesce(pairs.agreed, 0), pairs.steps) AS agreement,
    coalesce(chance.products, 0) / (pairs.steps::DOUBLE * pairs.steps) AS by_chance,
    (agreement - by_chance) / nullif(1 - by_chance, 0) AS kappa
FROM pairs
LEFT JOIN chance USING (critic_a, critic_b)
ORDER BY pairs.critic_a, pairs.critic_b;

COMMENT ON VIEW critic_agreement IS 'Agreement of each two critics on the steps both labelled, and Cohen''s kappa. Steps that either left unlabeled are in critic_confusions only.';
COMMENT ON COLUMN critic_agreement.critic_a IS 'One critic.';
COMMENT ON COLUMN critic_agreement.critic_b IS 'The other, later in the alphabet.';
COMMENT ON COLUMN critic_agreement.steps IS 'Steps that both gave a label other than unlabeled.';
COMMENT ON COLUMN critic_agreement.agreed IS 'Steps with the same label from both.';
COMMENT ON COLUMN critic_agreement.agreement IS 'Share of those, 0 to 1.';
COMMENT ON COLUMN critic_agreement.by_chance IS 'Agreement to expect if both labelled at random with their own frequencies.';
COMMENT ON COLUMN critic_agreement.kappa IS 'Cohen''s kappa: 1 is full agreement, 0 is chance; NULL where both always give one and the same label.';
