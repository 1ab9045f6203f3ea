-- Two steps with each label of each critic, by a hash: the same whenever it is asked.
WITH chosen AS (
    SELECT critic, label, trajectory_id, step_index, reason
    FROM step_verdicts
    WHERE list_contains($batches, batch) AND label <> 'unlabeled'
    QUALIFY row_number() OVER (
        PARTITION BY critic, label ORDER BY md5(trajectory_id || step_index), trajectory_id
    ) <= 2
)
SELECT chosen.*, step.tool, step.command
FROM chosen
JOIN steps AS step USING (trajectory_id, step_index)
ORDER BY chosen.critic, chosen.label, chosen.trajectory_id, chosen.step_index
