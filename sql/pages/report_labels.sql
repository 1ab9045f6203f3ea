-- Labels of each critic over some batches.
SELECT critic, label, count(*) AS steps, count(*) / sum(count(*)) OVER (PARTITION BY critic) AS share
FROM step_verdicts
WHERE list_contains($batches, batch)
GROUP BY critic, label
ORDER BY critic, label
