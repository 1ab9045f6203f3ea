-- Calls that were refused, cut, or answered with nothing.
-- Which calls were paid for in vain?
SELECT critic, trajectory_id, model, finish_reason, refused, completion_tokens, answered_at, key
FROM critic_calls
WHERE refused OR finish_reason = 'length' OR coalesce(trim(answer), '') = ''
ORDER BY answered_at DESC, key
