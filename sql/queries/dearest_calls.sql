-- The thirty calls with the most tokens.
-- Which runs cost a critic most?
SELECT critic, trajectory_id, model, prompt_tokens, completion_tokens, cached_tokens, seconds, retries
FROM critic_calls
ORDER BY prompt_tokens + completion_tokens DESC, key
LIMIT 30
