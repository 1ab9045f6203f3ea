CREATE OR REPLACE MACRO critic_spending(usd_per_million_input, usd_per_million_output) AS TABLE
WITH paid AS (
    SELECT
        critic,
        model,
        count(*) AS calls,
        count(DISTINCT trajectory_id) AS runs,
        (
            sum(prompt_tokens) * usd_per_million_input
            + sum(completion_tokens) * usd_per_million_output
        )::DOUBLE / 1_000_000 AS usd
    FROM critic_calls
    GROUP BY critic, model
),
labelled AS (
    SELECT critic, rule AS model, count(*) AS steps
    FROM step_verdicts
    WHERE label <> 'unlabeled'
    GROUP BY critic, rule
)
SELECT
    paid.critic,
    paid.model,
    paid.calls,
    paid.usd,
    paid.runs,
    share(paid.usd, paid.runs) AS usd_per_run,
    coalesce(labelled.steps, 0) AS labelled_steps,
    share(paid.usd, labelled.steps) AS usd_per_labelled_step
FROM paid
LEFT JOIN labelled USING (critic, model)
ORDER BY paid.critic, paid.model;

COMMENT ON MACRO TABLE critic_spending IS 'What each critic cost at these prices in USD for a million tokens of requests and of answers, without discounts: in all, for each run shown, and for each step that bears its label now: FROM critic_spending(0.5, 1.5).';
