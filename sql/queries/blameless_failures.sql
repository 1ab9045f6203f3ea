-- Runs that fail although a critic finds no mistake in them.
-- What does the critic overlook?
SELECT critic, trajectory_id, status, n_steps
FROM first_mistakes
WHERE first_mistake IS NULL AND status IN ('unresolved', 'empty_patch', 'patch_failed', 'timeout')
ORDER BY critic, n_steps, trajectory_id
