-- What critics were paid for.
SELECT
    critic,
    model,
    sum(calls)::BIGINT AS calls,
    sum(prompt_tokens)::BIGINT AS prompt_tokens,
    sum(completion_tokens)::BIGINT AS completion_tokens,
    min("day") AS first_day,
    max("day") AS last_day
FROM critic_costs
GROUP BY critic, model
ORDER BY critic, model
