CREATE OR REPLACE VIEW critic_costs AS
SELECT
    critic,
    model,
    (answered_at AT TIME ZONE 'UTC')::DATE AS day,
    count(*) AS calls,
    count(*) FILTER (WHERE refused) AS refused_calls,
    count(*) FILTER (WHERE finish_reason = 'length') AS cut_calls,
    sum(prompt_tokens)::BIGINT AS prompt_tokens,
    sum(completion_tokens)::BIGINT AS completion_tokens,
    share(sum(cached_tokens), sum(prompt_tokens)) AS cached_share,
    sum(retries)::BIGINT AS retries,
    median(seconds) AS median_seconds,
    max(seconds) AS max_seconds
FROM critic_calls
GROUP BY ALL
ORDER BY day DESC, critic, model;

COMMENT ON VIEW critic_costs IS 'What critics were paid for, by critic, model and day, latest first.';
COMMENT ON COLUMN critic_costs.critic IS 'The critic.';
COMMENT ON COLUMN critic_costs.model IS 'The model, as the server named itself.';
COMMENT ON COLUMN critic_costs.day IS 'The day, UTC.';
COMMENT ON COLUMN critic_costs.calls IS 'Requests that were answered.';
COMMENT ON COLUMN critic_costs.refused_calls IS 'Those the model refused.';
COMMENT ON COLUMN critic_costs.cut_calls IS 'Those whose answer was cut because it was too long.';
COMMENT ON COLUMN critic_costs.prompt_tokens IS 'Tokens of the requests.';
COMMENT ON COLUMN critic_costs.completion_tokens IS 'Tokens of the answers.';
COMMENT ON COLUMN critic_costs.cached_share IS 'Share of the request tokens that came from the prefix cache, 0 to 1.';
COMMENT ON COLUMN critic_costs.retries IS 'Attempts that failed before an answer came.';
COMMENT ON COLUMN critic_costs.median_seconds IS 'Median time of a call, in seconds.';
COMMENT ON COLUMN critic_costs.max_seconds IS 'Longest time of a call, in seconds.';
