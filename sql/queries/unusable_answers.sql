-- Calls that were refused, cut, answered with nothing, or with what gave no step a label.
-- Which calls were paid for in vain?
WITH verdicts AS (
    SELECT critic, trajectory_id, call, label, reason, made_at
    FROM verdict_versions
    WHERE call IS NOT NULL
),
answers AS (
    SELECT
        call AS key,
        bool_or(label <> 'unlabeled') AS used,
        any_value(reason) FILTER (label = 'unlabeled') AS reason
    FROM verdicts
    GROUP BY call
),
judged AS (
    SELECT critic, trajectory_id, max(made_at) AT TIME ZONE 'UTC' AS judged_at
    FROM verdicts
    GROUP BY critic, trajectory_id
)
SELECT
    critic,
    trajectory_id,
    model,
    finish_reason,
    refused,
    answers.reason,
    completion_tokens,
    answered_at,
    key
FROM critic_calls
LEFT JOIN answers USING (key)
LEFT JOIN judged USING (critic, trajectory_id)
WHERE refused
   OR finish_reason = 'length'
   OR coalesce(trim(answer), '') = ''
   OR (answered_at <= judged_at AND used IS DISTINCT FROM true)
ORDER BY answered_at DESC, key
