CREATE OR REPLACE VIEW critic_calls AS
SELECT
    key,
    critic,
    about AS trajectory_id,
    model,
    TRY_CAST(stored.at AS TIMESTAMPTZ) AS answered_at,
    prompt_tokens,
    completion_tokens,
    cached_tokens,
    seconds,
    retries,
    finish_reason,
    refusal IS NOT NULL AS refused,
    content AS answer
FROM stored_critic_calls() AS stored
QUALIFY row_number() OVER (PARTITION BY key ORDER BY stored.at) = 1;

COMMENT ON VIEW critic_calls IS 'The ledger: every answer that a critic was paid for, one row a request.';
COMMENT ON COLUMN critic_calls.key IS 'Hash of the exact request: model, messages, sampling, schema.';
COMMENT ON COLUMN critic_calls.critic IS 'Who asked first. A critic that sends the same request shares the answer.';
COMMENT ON COLUMN critic_calls.trajectory_id IS 'The run that was shown.';
COMMENT ON COLUMN critic_calls.model IS 'The model, as the server named itself in the answer.';
COMMENT ON COLUMN critic_calls.answered_at IS 'When the answer came.';
COMMENT ON COLUMN critic_calls.prompt_tokens IS 'Tokens of the request, as the server counts; estimated where it counts none.';
COMMENT ON COLUMN critic_calls.completion_tokens IS 'Tokens of the answer, as the server counts; estimated where it counts none.';
COMMENT ON COLUMN critic_calls.cached_tokens IS 'Tokens of the request that the server had in its prefix cache.';
COMMENT ON COLUMN critic_calls.seconds IS 'From the first attempt to the answer, in seconds.';
COMMENT ON COLUMN critic_calls.retries IS 'Attempts before the one that was answered.';
COMMENT ON COLUMN critic_calls.finish_reason IS 'Why the answer ended, as the server states it: stop, length (cut), content_filter, …';
COMMENT ON COLUMN critic_calls.refused IS 'Whether the model refused, in the field of that name.';
COMMENT ON COLUMN critic_calls.answer IS 'Text of the answer; NULL where there is none. What is no Unicode is shown as U+FFFD.';
